"""Hands on a Dask cluster: the workers of a scheduler somewhere, or of one that is started here."""

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
from .channel import HandLostError, MessageBatcher, packed
from .dask_plugin import BrokerPlugin
from .job_spec import JobSpec
from .messages import ResetConnections, ShardDropped, ShutdownCommand, WorkerStopReason
from .shards import Shard

log = logging.getLogger(__name__)

FEWEST = 32  # shards that are given out at once: workers that come later find some waiting
MARGIN = 10.0  # seconds after ``limits.grace`` that a cluster gets to say that its hands have ended
LOOK = 0.2  # seconds between two looks at a cluster that is to end
CONNECT = 30.0  # seconds for the scheduler to answer


class DaskPool:
    """The workers that ``client``'s scheduler has, whenever they come and go. ``topic`` is the run's own name there."""

    def __init__(self, client: Client, threads: int, topic: str, commission: JobSpec, stop: Shutdown) -> None:
        self._client, self._topic, self._commission, self._stop = client, topic, commission, stop
        self._known: StopReason | None = None
        self._ending = False
        self._commands = MessageBatcher(self._send)
        self._count = counting(1)
        self._sending: set[asyncio.Task[Any]] = set()
        self.threads, self.hands = threads, max(FEWEST, 2 * threads)
        stop.on_change(self._halt)

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        key = f"{self._topic}-{shard.number}-{next(self._count)}"
        future = self._client.submit(dask_worker.work_here, shard, self._commission, self._topic, pure=False, key=key)
        result = asyncio.ensure_future(future.result())
        try:
            if not await self._ends(result, key):
                return ()
            leftovers: Sequence[PendingRetry] = result.result()
        except (KilledWorker, FutureCancelledError) as lost:
            raise HandLostError(f"{type(lost).__name__}: {lost}") from None
        finally:
            result.cancel()
            future.release()
        self._commands.say(ShardDropped(shard.number))
        return leftovers

    async def _ends(self, result: asyncio.Future[Any], key: str) -> bool:
        """Wait until it has a result; False if the run is to end, and nobody is there to be waited for."""
        draining = asyncio.create_task(self._stop.draining.wait())
        await asyncio.wait((result, draining), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        begun = asyncio.get_running_loop().time()
        while not result.done() and not await self._waits_for_a_worker(key):
            patience = MARGIN + (0.0 if self._stop.aborting.is_set() else self._commission.limits.grace)
            if asyncio.get_running_loop().time() - begun > patience:
                break
            await asyncio.wait((result,), timeout=LOOK)
        return result.done()

    async def renew(self) -> None:
        self._commands.say(ResetConnections())

    async def listen(self, emit: Callable[[ev.Event], None]) -> None:
        """Pass on what the broker tells, until cancelled; without the scheduler, the run ends."""
        try:
            while True:
                for told in pickle.loads(await self._ask("news")):  # noqa: S301 - our own plugin pickled it
                    if told is None:
                        self._broker_left()
                        return
                    if isinstance(told, WorkerStopReason):
                        self._known = told.cause
                        self._stop.drain(told.cause)
                    else:
                        emit(told)
        except ClusterError as gone:
            self._stop.abort(StopReason(str(gone), gone.exit_code))

    def _broker_left(self) -> None:
        if not self._ending:
            self._stop.abort(StopReason("a bug of ours: the broker in the Dask scheduler failed; its log says how", 1))

    async def end(self) -> None:
        """Have the broker say its last words, and leave."""
        self._ending = True
        self._commands.flush()
        while self._sending:
            await asyncio.wait(self._sending)
        with contextlib.suppress(ClusterError):
            await self._ask("do", said=packed([]))

    def _halt(self) -> None:
        cause, now = self._stop.cause, self._stop.aborting.is_set()
        if cause is not None and (now or cause != self._known):
            self._commands.say(ShutdownCommand(cause, now))

    def _send(self, said: bytes) -> None:
        task = asyncio.create_task(self._sent(said))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _sent(self, said: bytes) -> None:
        with contextlib.suppress(ClusterError):  # whoever listens to the scheduler says that it is gone
            await self._ask("do", said=said)

    async def _ask(self, what: str, **said: bytes) -> Any:
        """Have the broker's plugin do something. ClusterError if it cannot be reached."""
        with gone():
            return await getattr(self._client.scheduler, f"{self._topic}-{what}")(**said)

    async def _waits_for_a_worker(self, key: str) -> bool:
        """Whether no worker has got the task yet, so that nothing of it can be in flight."""
        with gone():
            processing = await self._client.processing()
        return not any(key in keys for keys in processing.values())


@asynccontextmanager
async def dask_crew(
    scheduler: str | None, count: int, topic: str, commission: JobSpec, emit: Callable[[ev.Event], None], stop: Shutdown
) -> AsyncIterator[DaskPool]:
    """The workers of the ``scheduler``, or ``count`` on this machine. ClusterError if they cannot be had."""
    async with AsyncExitStack() as stack:
        try:
            address = scheduler or await stack.enter_async_context(local_cluster(count, asynchronous=True))
            client = await stack.enter_async_context(Client(address, asynchronous=True, timeout=CONNECT))
            await client.register_plugin(BrokerPlugin(topic, client.id, commission.limits))
            threads = sum((await client.nthreads()).values())
        except Exception as error:  # whatever answers there, or whatever Dask makes of it
            raise ClusterError(unusable(scheduler, error)) from error
        crew = DaskPool(client, threads, topic, commission, stop)
        listening = asyncio.create_task(crew.listen(emit))
        try:
            yield crew
        finally:
            await crew.end()
            await asyncio.wait((listening,), timeout=MARGIN)
            listening.cancel()
            with contextlib.suppress(ClusterError), gone():
                await client.unregister_scheduler_plugin(topic)


def unusable(scheduler: str | None, error: Exception) -> str:
    """Why a cluster cannot be used, and what to look at."""
    if scheduler is None:
        advice = "a script that starts one needs `if __name__ == '__main__':` around what it does"
        return f"no Dask cluster can be started on this machine ({error}); {advice}"
    return (
        f"the Dask scheduler {scheduler} cannot be used ({type(error).__name__}: {error}); check its address, and that "
        "scheduler and workers have specharvest[dask] in the same version"
    )


@contextlib.contextmanager
def gone() -> Iterator[None]:
    """What Dask raises in many ways, where its scheduler went away, is a ClusterError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, AttributeError, KeyError) as error:
        raise ClusterError(f"the Dask scheduler is gone ({type(error).__name__}: {error})") from error


def local_cluster(count: int, asynchronous: bool = False) -> LocalCluster:
    """``count`` worker processes. Without a dashboard of its own: ours shows what there is to see."""
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
    """Those of the ``scheduler``, or ``count`` processes of this machine. ClusterError if they cannot be had."""
    with ExitStack() as stack:
        try:
            address = scheduler or stack.enter_context(local_cluster(count))
            client = stack.enter_context(Client(address, timeout=CONNECT, set_as_default=False))
            client.wait_for_workers(1, timeout=CONNECT)
        except Exception as error:  # whatever answers there, or whatever Dask makes of it
            raise ClusterError(unusable(scheduler, error)) from error
        yield Pool(client.get_executor(pure=False), sum(client.nthreads().values()))
