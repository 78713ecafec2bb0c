"""One harvest by several workers: processes of this machine, or tasks of a Dask cluster.

The list is divided into shards. Each worker has an engine of its own for one shard at a time, but sends a request
only when the one coordinator grants a slot: rate, concurrency and circuit breaker belong to the archive, and there is
one archive. Events are reported to the coordinator as they happen, so a worker that is killed loses nothing but its
requests in flight.
"""
