"""One hand's work on one shard: the engine of a harvest, with the broker at the other end of a line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress

from .. import events as ev
from ..archive.client import ArchiveClient
from ..engine.engine import Engine
from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from ..errors import HarvestError
from ..model.exit_codes import StopReason
from ..model.outcomes import FailedCheck, Saved
from ..model.target import SpectrumId, Target
from ..storage.interface import Store
from .channel import Channel, HandLostError, receive_messages
from .job_spec import JobSpec
from .messages import (
    TAKEN_OVER,
    EventReport,
    FromBroker,
    Heartbeat,
    ResetConnections,
    ShardStarted,
    ShardStatus,
    ShutdownCommand,
    WorkerStopReason,
)
from .remote_throttle import RemoteThrottle
from .shards import Shard

log = logging.getLogger(__name__)

LOST = StopReason("nobody lets this hand ask any more", 4)
BEAT = 5.0  # seconds between two signs of life
ANSWER = 60.0  # seconds in which a broker that is there says what is known of a shard


async def work_on(
    shard: Shard, commission: JobSpec, line: Channel, wall: Callable[[], float] = time.time
) -> list[PendingRetry]:
    """Harvest the shard as the broker lets it; the retries that it would have to wait for.

    Faults of the run (a full disk, a bug) are told to the broker, and stop all hands alike. HandLostError if the broker
    is out of reach, or takes this hand for lost.
    """
    try:
        return await _Hand(shard, commission, line, wall).work()
    except HandLostError:
        raise
    except HarvestError as error:
        line.say(WorkerStopReason(StopReason(str(error), error.exit_code)))
    except Exception as bug:
        log.exception("bug in the work on shard %d", shard.number)
        line.say(WorkerStopReason(StopReason(f"a bug of ours: {type(bug).__name__}: {bug}", 1)))
    return []


class _Hand:
    def __init__(self, shard: Shard, commission: JobSpec, line: Channel, wall: Callable[[], float]) -> None:
        self._shard, self._commission, self._line, self._wall = shard, commission, line, wall
        self._stop = Shutdown()
        self._admission = RemoteThrottle(line.say, self._stop.draining)
        self._begun: asyncio.Queue[ShardStatus | None] = asyncio.Queue(1)  # the first answer, and there is no other
        self._archive: ArchiveClient | None = None
        self._renewing: set[asyncio.Task[None]] = set()
        self._known: StopReason | None = None  # why all stop, as far as the broker said so

    async def work(self) -> list[PendingRetry]:
        self._stop.on_change(self._tell_why)
        self._line.say(ShardStarted(self._shard.number))
        beside = [asyncio.create_task(self._listen()), asyncio.create_task(self._live())]
        try:
            begun = await self._answer()
            back = [] if begun is None else await self._harvest(begun)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait((*beside, *self._renewing))
        if self._stop.cause in (LOST, TAKEN_OVER):
            raise HandLostError(self._stop.cause.reason)
        return back

    async def _answer(self) -> ShardStatus | None:
        try:
            async with asyncio.timeout(ANSWER):
                return await self._begun.get()
        except TimeoutError:
            raise HandLostError("no broker answers") from None

    async def _harvest(self, begun: ShardStatus) -> list[PendingRetry]:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(self._commission.open_store())
            client = self._commission.archive(self._tell, self._turn, self._wall)
            self._archive = await stack.enter_async_context(client)
            engine = await self._engine(begun, store, client)
            await engine.run()
        return [] if self._stop.draining.is_set() else engine.put_off()

    async def _engine(self, begun: ShardStatus, store: Store, archive: ArchiveClient) -> Engine:
        """With what is still to do: what a lost hand stored is there, whether or not it could still say so."""
        shard, commission = self._shard, self._commission
        retries = {each.target.did: each for each in (*shard.leftovers, *begun.retries)}
        fresh = [target for target in shard.targets if target.did not in retries]
        done = set(begun.settled)
        if begun.again:
            open_ones = [target for target in (*fresh, *_targets(retries)) if target.did not in done]
            for saved in await asyncio.to_thread(_stored, open_ones, store, commission, begun):
                self._tell(ev.SpectrumSaved(self._wall(), saved))
                done.add(saved.target.did)
        return Engine(
            [target for target in fresh if target.did not in done],
            archive, store, commission.verify, commission.limits, self._admission, self._tell, self._stop,
            (shard.known_good,) if shard.known_good else (),
            [each for did, each in retries.items() if did not in done],
            clock=self._wall, wait_for_retries=shard.wait_for_retries,
        )  # fmt: skip

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._line.say(Heartbeat())

    async def _listen(self) -> None:
        await receive_messages(self._line, self._heed)
        self._begin(None)
        self._known = LOST
        self._stop.abort(LOST)

    def _begin(self, begun: ShardStatus | None) -> None:
        """With what is known of the shard; None: not at all, unless it has begun."""
        with suppress(asyncio.QueueFull):
            self._begun.put_nowait(begun)

    def _heed(self, message: FromBroker) -> None:
        match message:
            case ShardStatus():
                self._begin(message)
            case ShutdownCommand(cause=cause, now=now):
                self._known = cause
                if now:
                    self._begin(None)
                (self._stop.abort if now else self._stop.drain)(cause)
            case ResetConnections():
                self._renew()
            case _:
                self._admission.heed(message)

    def _renew(self) -> None:
        if self._archive is not None:
            task = asyncio.create_task(self._archive.renew())
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    def _tell(self, event: ev.Event) -> None:
        self._line.say(EventReport(event))

    def _tell_why(self) -> None:
        """Unless it is the broker's reason: then it knows."""
        if self._stop.cause not in (None, self._known):
            self._line.say(WorkerStopReason(self._stop.cause))

    async def _turn(self) -> bool:
        return await self._admission.acquire_followup(self._stop.draining)


def _targets(retries: Mapping[SpectrumId, PendingRetry]) -> Iterator[Target]:
    return (each.target for each in retries.values())


def _stored(targets: Iterable[Target], store: Store, commission: JobSpec, begun: ShardStatus) -> list[Saved]:
    """Those that are in the store: as they were about to be stored or, unless they would be replaced, as they prove."""
    announced = {saved.target.did: saved for saved in begun.verified}
    found = []
    for target in targets:
        try:
            verdict = commission.verify(target, store.read(target.name))
        except FileNotFoundError:
            continue
        if isinstance(verdict, FailedCheck):
            continue  # only a refresh finds such a file: a harvest sets it aside before it begins
        saved = announced.get(target.did)
        if saved is not None and saved.verified.sha256 == verdict.sha256:
            found.append(saved)
        elif not commission.refresh:
            found.append(Saved(target, verdict, 1, 0.0, ""))
    return found
