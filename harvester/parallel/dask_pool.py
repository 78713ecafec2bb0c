"""Workers on a Dask cluster.

That of a scheduler elsewhere, or one that is started on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from itertools import count as counting
from typing import Any

from distributed import Client, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError

from .. import events as ev
from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from ..errors import ClusterError
from ..model.batching import Pool
from ..model.exit_codes import StopReason
from . import dask_worker
from .channel import MessageBatcher, WorkerLostError, packed
from .dask_plugin import CoordinatorPlugin
from .job_spec import JobSpec
from .messages import ResetConnections, ShardDropped, ShutdownCommand, WorkerStopReason
from .shards import Shard

log = logging.getLogger(__name__)

FEWEST = 32  # shards that are submitted at once: Dask workers that join later find some waiting
MARGIN = 10.0  # seconds after ``limits.grace`` that a cluster gets to report that its workers have ended
CHECK_INTERVAL = 0.2  # seconds between two checks of a cluster that drains
CONNECT_TIMEOUT = 30.0  # seconds for the scheduler to respond


class DaskPool:
    """The workers of ``client``'s scheduler, which may join and leave.

    ``topic`` is the name of the run there.
    """

    def __init__(self, client: Client, threads: int, topic: str, job: JobSpec, shutdown: Shutdown) -> None:
        self._client, self._topic, self._job, self._shutdown = client, topic, job, shutdown
        self._known: StopReason | None = None
        self._ending = False
        self._commands = MessageBatcher(self._send)
        self._count = counting(1)
        self._sending: set[asyncio.Task[Any]] = set()
        self.threads, self.workers = threads, max(FEWEST, 2 * threads)
        shutdown.on_change(self._shut_down)

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        """Submit ``shard``; return its retries that are not due yet.

        WorkerLostError if its Dask worker is lost.
        """
        key = f"{self._topic}-{shard.number}-{next(self._count)}"
        future = self._client.submit(dask_worker.work_here, shard, self._job, self._topic, pure=False, key=key)
        result = asyncio.ensure_future(future.result())
        try:
            if not await self._wait_for_result(result, key):
                return ()
            leftovers: Sequence[PendingRetry] = result.result()
        except (KilledWorker, FutureCancelledError) as lost:
            raise WorkerLostError(f"{type(lost).__name__}: {lost}") from None
        finally:
            result.cancel()
            future.release()
        self._commands.add(ShardDropped(shard.number))
        return leftovers

    async def _wait_for_result(self, result: asyncio.Future[Any], key: str) -> bool:
        """Wait for the result; return False if the run drains and no worker will bring it in time."""
        draining = asyncio.create_task(self._shutdown.draining.wait())
        await asyncio.wait((result, draining), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        began = asyncio.get_running_loop().time()
        while not result.done() and not await self._is_queued(key):
            longest = MARGIN + (0.0 if self._shutdown.aborting.is_set() else self._job.limits.grace)
            if asyncio.get_running_loop().time() - began > longest:
                break
            await asyncio.wait((result,), timeout=CHECK_INTERVAL)
        return result.done()

    async def reset_connections(self) -> None:
        """Have all workers make new connections to the archive."""
        self._commands.add(ResetConnections())

    async def receive_events(self, emit: Callable[[ev.Event], None]) -> None:
        """Pass on the events of all workers until cancelled; without the scheduler, the run ends."""
        try:
            while True:
                for news in pickle.loads(await self._call("news")):  # noqa: S301 - our own plugin pickled it
                    if news is None:
                        self._coordinator_ended()
                        return
                    if isinstance(news, WorkerStopReason):
                        self._known = news.cause
                        self._shutdown.drain(news.cause)
                    else:
                        emit(news)
        except ClusterError as gone:
            self._shutdown.abort(StopReason(str(gone), gone.exit_code))

    def _coordinator_ended(self) -> None:
        if not self._ending:
            reason = "internal error: the coordinator in the Dask scheduler failed; see the scheduler's log"
            self._shutdown.abort(StopReason(reason, 1))

    async def end(self) -> None:
        """End the coordinator in the scheduler, after it has reported everything."""
        self._ending = True
        self._commands.flush()
        while self._sending:
            await asyncio.wait(self._sending)
        with contextlib.suppress(ClusterError):
            await self._call("do", data=packed([]))

    def _shut_down(self) -> None:
        cause, now = self._shutdown.cause, self._shutdown.aborting.is_set()
        if cause is not None and (now or cause != self._known):
            self._commands.add(ShutdownCommand(cause, now))

    def _send(self, data: bytes) -> None:
        task = asyncio.create_task(self._send_now(data))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send_now(self, data: bytes) -> None:
        with contextlib.suppress(ClusterError):  # ``receive_events`` reports that the scheduler is gone
            await self._call("do", data=data)

    async def _call(self, name: str, **arguments: bytes) -> Any:
        """Call the coordinator's plugin. ClusterError if it cannot be reached."""
        with scheduler_errors():
            return await getattr(self._client.scheduler, f"{self._topic}-{name}")(**arguments)

    async def _is_queued(self, key: str) -> bool:
        """Whether no worker has the task yet, so that none of its requests can be in flight."""
        with scheduler_errors():
            processing = await self._client.processing()
        return not any(key in keys for keys in processing.values())


@asynccontextmanager
async def dask_workers(
    scheduler: str | None,
    count: int,
    topic: str,
    job: JobSpec,
    emit: Callable[[ev.Event], None],
    shutdown: Shutdown,
) -> AsyncIterator[DaskPool]:
    """Use the workers of ``scheduler``, or ``count`` on this machine.

    ClusterError if that is not possible.
    """
    async with AsyncExitStack() as stack:
        try:
            address = scheduler or await stack.enter_async_context(local_cluster(count, asynchronous=True))
            client = await stack.enter_async_context(Client(address, asynchronous=True, timeout=CONNECT_TIMEOUT))
            await client.register_plugin(CoordinatorPlugin(topic, client.id, job.limits))
            threads = sum((await client.nthreads()).values())
        except Exception as error:  # any server may respond there, and Dask raises many things
            raise ClusterError(unusable(scheduler, error)) from error
        pool = DaskPool(client, threads, topic, job, shutdown)
        receiving = asyncio.create_task(pool.receive_events(emit))
        try:
            yield pool
        finally:
            await pool.end()
            await asyncio.wait((receiving,), timeout=MARGIN)
            receiving.cancel()
            with contextlib.suppress(ClusterError), scheduler_errors():
                await client.unregister_scheduler_plugin(topic)


def unusable(scheduler: str | None, error: Exception) -> str:
    """Describe why a cluster cannot be used, and what to check."""
    if scheduler is None:
        advice = "a script that starts one needs `if __name__ == '__main__':` around what it does"
        return f"no Dask cluster can be started on this machine ({error}); {advice}"
    return (
        f"the Dask scheduler {scheduler} cannot be used ({type(error).__name__}: {error}); check its address, and that "
        "scheduler and workers have specharvest[dask] in the same version"
    )


@contextlib.contextmanager
def scheduler_errors() -> Iterator[None]:
    """Translate what Dask raises when its scheduler is gone into ClusterError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, AttributeError, KeyError) as error:
        raise ClusterError(f"the Dask scheduler is gone ({type(error).__name__}: {error})") from error


def local_cluster(count: int, asynchronous: bool = False) -> LocalCluster:
    """Return ``count`` worker processes on this machine, without Dask's own dashboard."""
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=logging.CRITICAL,
        preload=[dask_worker.__name__],
        asynchronous=asynchronous,
    )


@contextmanager
def dask_pool(scheduler: str | None, count: int) -> Iterator[Pool]:
    """Use the workers of ``scheduler``, or ``count`` on this machine.

    ClusterError if that is not possible.
    """
    with ExitStack() as stack:
        try:
            address = scheduler or stack.enter_context(local_cluster(count))
            client = stack.enter_context(Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False))
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except Exception as error:  # any server may respond there, and Dask raises many things
            raise ClusterError(unusable(scheduler, error)) from error
        yield Pool(client.get_executor(pure=False), sum(client.nthreads().values()))
