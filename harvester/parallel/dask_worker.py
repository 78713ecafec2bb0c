"""A hand that is a task of a Dask worker: an engine in the worker's loop, for one shard."""

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

_inboxes: dict[str, MessageQueue] = {}
"""Of this worker's hands, by the names of their lines."""


def dask_setup(worker: Worker) -> None:
    """Where this module is preloaded, on a worker of this machine: Ctrl-C, or a terminal that is closed, is the run's
    business, which drains."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


async def work_here(shard: Shard, commission: JobSpec, topic: str) -> Sequence[PendingRetry]:
    """Work on ``shard`` on the worker that runs this, as the scheduler's broker for ``topic`` lets it."""
    worker, line = get_worker(), uuid4().hex
    worker.stream_handlers[topic] = _deliver
    bundle = MessageBatcher(lambda said: worker.batched_send({"op": topic, "line": line, "said": said}))
    inbox = _inboxes[line] = MessageQueue(bundle.say)
    watch = asyncio.create_task(_lose_with(worker, inbox))
    try:
        return await work_on(shard, commission, inbox)
    finally:
        watch.cancel()
        bundle.flush()
        worker.batched_send({"op": topic, "line": line, "said": None})
        del _inboxes[line]


def _deliver(line: str, said: bytes) -> None:
    if line in _inboxes:
        for message in pickle.loads(said):  # noqa: S301 - a worker runs what its scheduler says anyway
            _inboxes[line].put(message)


async def _lose_with(worker: Worker, inbox: MessageQueue) -> None:
    """Without its scheduler, a hand is nobody's."""
    while worker.batched_stream.comm is not None and not worker.batched_stream.comm.closed():  # noqa: ASYNC110 - Dask tells nobody
        await asyncio.sleep(1.0)
    inbox.lose()
