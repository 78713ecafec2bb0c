"""One harvest by many hands: processes of this machine, or workers of a Dask cluster.

The list is dealt out in shards. Each hand works on one shard at a time with an engine of its own, but asks nobody
unless the one broker lets it: pace, gate and concurrency are the archive's, and there is one archive. What happens is
told to the broker as it happens, so that whoever is killed takes nothing along but the requests in flight.
"""
