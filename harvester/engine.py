"""The harvest itself: one producer, a bounded queue and a pool of workers in one TaskGroup.

The engine knows archive and store only as Protocols and tells everything that happens as events. A retry never sleeps
in a worker: it goes back to the producer's agenda with a due time. A worker asks for nothing while it verifies or
writes, so a slow disk slows the traffic by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar

from . import events as ev
from .errors import StoreError
from .failures import Failure, FailureKind, FetchError
from .limits import Limits
from .outcomes import Failed, Fetched, Rejected, Saved, Verified
from .pace import Pacer, wait_or
from .retry import Agenda, Assignment, wait_before_retry
from .spectra import Target
from .stopping import Cause, Stop

log = logging.getLogger(__name__)

T = TypeVar("T")

BUGS_IN_A_ROW = 3  # one odd spectrum may trip a bug of ours; three in a row mean that nothing works
REFUSALS_IN_A_ROW = 5  # so many "422 to everything" without a single good answer: our request itself is wrong


class Archive(Protocol):
    """Where spectra come from."""

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        """Ask once. FetchError for anything but a 200."""
        ...


class Store(Protocol):
    """Where spectra go. Neither method may be cut short by cancellation once it has begun to write."""

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` the target's name, durably and at once. StoreError if that cannot be done."""
        ...

    async def quarantine(self, target: Target, fetched: Fetched, rejected: Rejected) -> str:
        """Keep a body that is not the spectrum apart, and say where. StoreError if that cannot be done."""
        ...


Inspect = Callable[[Target, bytes], Verified | Rejected]


@dataclass(slots=True)
class Engine:
    """One harvest of ``targets``; ``await run()`` returns when nothing is left or the stop says so."""

    targets: Iterable[Target]
    archive: Archive
    store: Store
    inspect: Inspect
    limits: Limits
    pacer: Pacer
    emit: Callable[[ev.Event], None]
    stop: Stop
    chance: Random = field(default_factory=Random)
    wall: Callable[[], float] = time.time
    _agenda: Agenda = field(init=False)
    _queue: asyncio.Queue[Assignment | None] = field(init=False)
    _changed: asyncio.Event = field(init=False)
    _bugs: int = field(init=False, default=0)
    _refusals: int | None = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._agenda = Agenda(self.targets)
        # One waiting assignment a worker hides the producer's latency; more would only delay retries that are due.
        self._queue = asyncio.Queue(self.limits.concurrency)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Harvest until done, drained or aborted. Only bugs of ours raise (as an ExceptionGroup)."""
        try:
            async with asyncio.timeout(None) as patience:
                self.stop.on_change(lambda: self._limit(patience))
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._produce())
                    for _ in range(self.limits.concurrency):
                        group.create_task(self._work())
        except TimeoutError:
            if not patience.expired():
                raise

    def _limit(self, patience: asyncio.Timeout) -> None:
        """From now on what is in flight has ``grace`` seconds, or none. A signal after the end is a no-op."""
        self._changed.set()
        now = asyncio.get_running_loop().time()
        deadline = now if self.stop.aborting.is_set() else now + self.limits.grace
        try:
            patience.reschedule(min(deadline, patience.when() or deadline))
        except RuntimeError:
            log.debug("stopped while no harvest was under way")

    async def _produce(self) -> None:
        """Feed the queue from the agenda until nothing is left or the stop is set; then one sentinel a worker."""
        loop = asyncio.get_running_loop()
        while not self.stop.draining.is_set() and not self._agenda.finished:
            self._changed.clear()
            assignment = self._agenda.take(loop.time())
            if assignment is not None:
                await self._queue.put(assignment)
            elif not self._agenda.finished:
                due = self._agenda.next_due
                await (wait_or(self._changed, due - loop.time()) if due is not None else self._changed.wait())
        for _ in range(self.limits.concurrency):
            await self._queue.put(None)

    async def _work(self) -> None:
        while (assignment := await self._queue.get()) is not None:
            self._phase(assignment, ev.Phase.TURN)
            if not await self.pacer.turn(self.stop.draining):
                continue  # drained: what was handed out and not asked for stays on the list for the next run
            await self._attempt(assignment)
            self._changed.set()

    async def _attempt(self, assignment: Assignment) -> None:
        """Ask once and settle what came of it. Only a run-level fault or a repeated bug gets out of here."""
        started = asyncio.get_running_loop().time()
        url = ""
        try:
            fetched = await self.archive.fetch(assignment.target, lambda phase: self._phase(assignment, phase))
            url = fetched.url
            failure = await unbroken(self._keep(assignment, fetched, started))
            self._bugs = 0
        except FetchError as error:
            failure, url = error.failure, error.url
        except StoreError as error:
            self._agenda.settle()
            self.stop.drain(Cause(str(error), error.exit_code))
            return
        except Exception as bug:  # noqa: BLE001 - one odd spectrum must not stop a night; it is logged and exit is 1
            failure = self._bug(assignment, bug)
        if failure is None:
            self._agenda.settle()
        else:
            self._fail(assignment, failure, started, url)

    async def _keep(self, assignment: Assignment, fetched: Fetched, started: float) -> Failure | None:
        """Prove the body and give it its name, or keep it apart. None where the spectrum is saved."""
        target = assignment.target
        self._phase(assignment, ev.Phase.VERIFY)
        verdict = self.inspect(target, fetched.body)
        self._phase(assignment, ev.Phase.WRITE)
        if isinstance(verdict, Rejected):
            path = await self.store.quarantine(target, fetched, verdict)
            self.emit(ev.BodyQuarantined(self.wall(), target, verdict.gate, path))
            return Failure(verdict.kind, verdict.detail, 200)
        await self.store.put(target, fetched.body)
        self._refusals = None
        elapsed = asyncio.get_running_loop().time() - started
        self.emit(ev.SpectrumSaved(self.wall(), Saved(target, verdict, assignment.attempt, elapsed, fetched.url)))
        return None

    def _fail(self, assignment: Assignment, failure: Failure, started: float, url: str) -> None:
        """Schedule another attempt, or give the spectrum up for this run."""
        now = asyncio.get_running_loop().time()
        if failure.retry_after:
            self._hold(failure, now)
        wait = wait_before_retry(failure, assignment.attempt, self.limits, self.chance)
        if wait is None:
            self._agenda.settle()
            failed = Failed(assignment.target, failure, assignment.attempt, now - started, url)
            self.emit(ev.SpectrumFailed(self.wall(), failed))
            self._heed_refusals(failure)
        else:
            self._agenda.retry(assignment, now + wait)
            self.emit(
                ev.RetryScheduled(self.wall(), assignment.target, assignment.attempt, failure, self.wall() + wait)
            )

    def _hold(self, failure: Failure, now: float) -> None:
        """The archive asked for patience: that holds for all workers, not for one spectrum."""
        wait = failure.retry_after or 0.0
        self.pacer.hold_until(now + wait)
        self.emit(ev.HarvestPaused(self.wall(), failure.detail, self.wall() + wait))

    def _heed_refusals(self, failure: Failure) -> None:
        if self._refusals is None or failure.kind is not FailureKind.REFUSED_REQUEST:
            return
        self._refusals += 1
        if self._refusals >= REFUSALS_IN_A_ROW:
            self.stop.drain(Cause(f"the archive refuses our requests as such: {failure.detail}", 7))

    def _bug(self, assignment: Assignment, bug: Exception) -> Failure:
        self._bugs += 1
        log.exception("bug while harvesting %s", assignment.target.did)
        if self._bugs >= BUGS_IN_A_ROW:
            raise bug
        return Failure(FailureKind.INTERNAL, f"{type(bug).__name__}: {bug}")

    def _phase(self, assignment: Assignment, phase: ev.Phase) -> None:
        self.emit(ev.PhaseEntered(self.wall(), assignment.target, assignment.attempt, phase))


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` to its end even when cancelled meanwhile; the cancellation goes on after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.result()  # a fault of the work goes first
        raise
