"""A worker that is a task of a Dask cluster.

It has an engine in the loop of a Dask worker, for one shard.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
from collections.abc import Sequence
from uuid import uuid4

from distributed import Worker, get_worker

from ..engine.work_queue import PendingRetry
from .channel import MessageBatcher, MessageQueue
from .job_spec import JobSpec
from .shards import Shard
from .worker import work_on

_queues: dict[str, MessageQueue] = {}
"""The messages for each shard in progress on this Dask worker, by the name of its channel."""


def dask_setup(worker: Worker) -> None:
    """Ignore Ctrl-C and hang-ups where this module is preloaded, on this machine.

    The run handles them and drains.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


async def work_here(shard: Shard, job: JobSpec, topic: str) -> Sequence[PendingRetry]:
    """Harvest ``shard`` on this Dask worker; the coordinator of ``topic`` grants slots."""
    worker, channel = get_worker(), uuid4().hex
    worker.stream_handlers[topic] = _deliver
    batcher = MessageBatcher(lambda data: worker.batched_send({"op": topic, "channel": channel, "data": data}))
    queue = _queues[channel] = MessageQueue(batcher.add)
    watch = asyncio.create_task(_close_with_scheduler(worker, queue))
    try:
        return await work_on(shard, job, queue)
    finally:
        watch.cancel()
        batcher.flush()
        worker.batched_send({"op": topic, "channel": channel, "data": None})
        del _queues[channel]


def _deliver(channel: str, data: bytes) -> None:
    if channel in _queues:
        for message in pickle.loads(data):  # noqa: S301 - a worker runs what its scheduler sends anyway
            _queues[channel].put(message)


async def _close_with_scheduler(worker: Worker, queue: MessageQueue) -> None:
    """Close the channel when the Dask worker has lost its scheduler."""
    while worker.batched_stream.comm is not None and not worker.batched_stream.comm.closed():  # noqa: ASYNC110 - Dask has no event for it
        await asyncio.sleep(1.0)
    queue.close()
