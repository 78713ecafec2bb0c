"""The work on one shard.

The engine of a harvest, with the coordinator at the other end of a channel.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress

from .. import events as ev
from ..archive.client import ArchiveClient
from ..engine.engine import Engine
from ..engine.own_time import OwnTime, own_time
from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from ..errors import HarvestError, resource_fault
from ..model.exit_codes import StopReason
from ..model.outcomes import FailedCheck, LongVerification, Saved
from ..model.target import SpectrumId, Target
from ..storage.interface import Store
from .channel import Channel, WorkerLostError, receive_messages
from .job_spec import JobSpec
from .messages import (
    TAKEN_OVER,
    FromCoordinator,
    Heartbeat,
    ResetConnections,
    ShardStarted,
    ShardStatus,
    ShutdownCommand,
    StoredReport,
    WorkerStopReason,
)
from .remote_throttle import RemoteThrottle
from .shards import Shard

log = logging.getLogger(__name__)

COORDINATOR_GONE = StopReason("the coordinator cannot be reached any more", 4)
HEARTBEAT = 5.0  # seconds between two messages that say that the worker is alive
OF_GOOD_REQUESTS = (ev.PhaseEntered, ev.RequestSent, ev.ResponseReceived)
STATUS_TIMEOUT = 60.0  # seconds in which a coordinator sends the status of a shard


async def work_on(
    shard: Shard, job: JobSpec, channel: Channel, clock: Callable[[], float] = time.time
) -> list[PendingRetry]:
    """Harvest the shard with the slots that the coordinator grants.

    Return the retries that are not due yet.

    Faults of the run (a full disk, an internal error) are reported to the coordinator and stop all workers.
    WorkerLostError if the coordinator cannot be reached, or considers this worker lost.
    """
    try:
        return await _Worker(shard, job, channel, clock).work()
    except WorkerLostError:
        raise
    except HarvestError as error:
        channel.send(WorkerStopReason(StopReason(str(error), error.exit_code)))
    except Exception as bug:
        if fault := resource_fault(bug):
            channel.send(WorkerStopReason(StopReason(str(fault), fault.exit_code)))
        else:
            log.exception("bug in the work on shard %d", shard.number)
            channel.send(WorkerStopReason(StopReason(f"internal error: {type(bug).__name__}: {bug}", 1)))
    return []


class _Worker:
    """One engine, and what it needs to talk to the coordinator."""

    def __init__(self, shard: Shard, job: JobSpec, channel: Channel, clock: Callable[[], float]) -> None:
        self._shard, self._job, self._channel, self._clock = shard, job, channel, clock
        self._shutdown = Shutdown()
        self._throttle = RemoteThrottle(channel.send, self._shutdown.draining)
        self._status: asyncio.Queue[ShardStatus | None] = asyncio.Queue(1)  # the first one counts
        self._archive: ArchiveClient | None = None
        self._resetting: set[asyncio.Task[None]] = set()
        self._verified = set[SpectrumId]()  # reported to be about to be stored
        self._known: StopReason | None = None  # why all workers stop, as far as the coordinator has said so

    async def work(self) -> list[PendingRetry]:
        """Harvest the shard."""
        self._shutdown.on_change(self._report_cause)
        self._channel.send(ShardStarted(self._shard.number))
        beside = [asyncio.create_task(self._receive()), asyncio.create_task(self._send_heartbeats())]
        try:
            status = await self._wait_for_status()
            leftovers = [] if status is None else await self._harvest(status)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait((*beside, *self._resetting))
        if self._shutdown.cause in (COORDINATOR_GONE, TAKEN_OVER):
            raise WorkerLostError(self._shutdown.cause.reason)
        return leftovers

    async def _wait_for_status(self) -> ShardStatus | None:
        try:
            async with asyncio.timeout(STATUS_TIMEOUT):
                return await self._status.get()
        except TimeoutError:
            raise WorkerLostError("the coordinator does not respond") from None

    async def _harvest(self, status: ShardStatus) -> list[PendingRetry]:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(self._job.open_store())
            client = self._job.archive(self._emit, self._throttle, self._shutdown.draining, self._clock)
            self._archive = await stack.enter_async_context(client)
            own = stack.enter_context(own_time())
            engine = await self._engine(status, store, client, own)
            await engine.run()
        return [] if self._shutdown.draining.is_set() else engine.remaining_retries()

    async def _engine(self, status: ShardStatus, store: Store, archive: ArchiveClient, own: OwnTime) -> Engine:
        """Return an engine for what is left of the shard.

        A lost worker may have stored more than it reported.
        """
        shard, job = self._shard, self._job
        retries = {each.target.did: each for each in (*shard.leftovers, *status.retries)}
        fresh = [target for target in shard.targets if target.did not in retries]
        done = set(status.settled)
        if status.again:
            left = [target for target in (*fresh, *_targets(retries)) if target.did not in done]
            for saved in await asyncio.to_thread(_stored, left, store, job, status):
                self._emit(ev.SpectrumSaved(self._clock(), saved))
                done.add(saved.target.did)
        return Engine(
            archive.look_ahead([target for target in fresh if target.did not in done]),
            archive, store, job.verify, job.limits, self._throttle, self._emit, self._shutdown,
            (shard.known_good,) if shard.known_good else (),
            [each for did, each in retries.items() if did not in done],
            clock=self._clock, wait_for_retries=shard.wait_for_retries, elsewhere=shard.elsewhere, own_time=own,
            is_read=job.is_read,
        )  # fmt: skip

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            self._channel.send(Heartbeat())
            self._throttle.renew_lease()

    async def _receive(self) -> None:
        await receive_messages(self._channel, self._handle)
        self._start(None)
        self._known = COORDINATOR_GONE
        self._shutdown.abort(COORDINATOR_GONE)

    def _start(self, status: ShardStatus | None) -> None:
        """Start with what is known of the shard; None: do not start."""
        with suppress(asyncio.QueueFull):
            self._status.put_nowait(status)

    def _handle(self, message: FromCoordinator) -> None:
        match message:
            case ShardStatus():
                self._start(message)
            case ShutdownCommand(cause=cause, now=now):
                self._known = cause
                if now:
                    self._start(None)
                (self._shutdown.abort if now else self._shutdown.drain)(cause)
            case ResetConnections():
                self._reset_connections()
            case _:
                self._throttle.handle(message)

    def _reset_connections(self) -> None:
        if self._archive is not None:
            task = asyncio.create_task(self._archive.renew())
            self._resetting.add(task)
            task.add_done_callback(self._resetting.discard)

    def _emit(self, event: ev.Event) -> None:
        """Report an event: at once what the rate limit or another worker may need to know."""
        match event:
            case ev.SpectrumVerified(outcome=saved):
                self._verified.add(saved.target.did)
                self._channel.send(event)
            case ev.SpectrumSaved(time=time, outcome=saved) if saved.target.did in self._verified:
                self._verified.remove(saved.target.did)
                self._channel.send(StoredReport(saved.target.did, time, saved.elapsed), may_wait=True)
            case _:
                self._channel.send(event, may_wait=self._throttle.lends and isinstance(event, OF_GOOD_REQUESTS))

    def _report_cause(self) -> None:
        """Report why this worker stops, unless the coordinator has said so itself."""
        if self._shutdown.cause not in (None, self._known):
            self._channel.send(WorkerStopReason(self._shutdown.cause))


def _targets(retries: Mapping[SpectrumId, PendingRetry]) -> Iterator[Target]:
    return (each.target for each in retries.values())


def _stored(targets: Iterable[Target], store: Store, job: JobSpec, status: ShardStatus) -> list[Saved]:
    """Return those of ``targets`` that are stored and pass the checks.

    With ``--refresh`` only those that an earlier worker was about to store: others are to be replaced.
    """
    announced = {saved.target.did: saved for saved in status.verified}
    found = []
    for target in targets:
        try:
            verdict = job.verify(target, store.read(target.name))
        except FileNotFoundError:
            continue
        if isinstance(verdict, LongVerification):
            verdict = verdict.finish()
        if isinstance(verdict, FailedCheck):
            continue  # only a refresh finds such a file: a harvest moves it to quarantine before it begins
        saved = announced.get(target.did)
        if saved is not None and saved.verified.sha256 == verdict.sha256:
            found.append(saved)
        elif not job.refresh:
            found.append(Saved(target, verdict, 1, 0.0, ""))
    return found
