"""The harvest itself: one producer, a bounded queue and a pool of workers in one TaskGroup, and one prober beside them.

The engine knows archive and store only as Protocols and tells everything that happens as events. A retry never sleeps
in a worker: it goes back to the agenda with a due time. Whether anybody may ask at all is the admission's to say; what
failed while the archive was away is charged to no spectrum.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from .. import events as ev
from ..errors import StoreError
from ..model.exit_codes import StopReason
from ..model.failures import Failure, FailureKind, FetchError
from ..model.limits import Limits
from ..model.outcomes import Failed, FailedCheck, Fetched, Saved
from ..model.target import SpectrumId, Target
from .backoff import wait_before_retry
from .circuit_breaker import CircuitBreaker, Signal, classify
from .disk_full import DiskFullRetry
from .interfaces import Archive, SpectrumWriter, Throttle, Verify
from .outage import PendingFailure, RejectionCounter
from .rate_limit import wait_for_event
from .shutdown import Shutdown
from .throttle import PROBING
from .work_queue import Attempt, PendingRetry, WorkQueue

log = logging.getLogger(__name__)

T = TypeVar("T")

BUGS_IN_A_ROW = 3  # one odd spectrum may trip a bug of ours; three in a row mean that nothing works
WORKERS_PER_REQUEST_SLOT = (
    2  # workers for each request that may be in flight: while one asks, another verifies and waits for the disk
)


@dataclass(slots=True)
class Engine:
    """One harvest of ``targets``; ``await run()`` returns when nothing is left or the stop says so.

    ``known_good`` are spectra that the archive had: they tell an archive that is away from spectra that are bad. One
    that is not ``patient`` returns when only retries are left, which ``put_off`` then names.
    """

    targets: Iterable[Target]
    archive: Archive
    store: SpectrumWriter
    inspect: Verify
    limits: Limits
    admission: Throttle
    emit: Callable[[ev.Event], None]
    stop: Shutdown
    known_good: Sequence[Target] = ()
    leftovers: Sequence[PendingRetry] = ()
    rng: Random = field(default_factory=Random)
    clock: Callable[[], float] = time.time
    wait_for_retries: bool = True
    _agenda: WorkQueue = field(init=False)
    _queue: asyncio.Queue[Attempt | None] = field(init=False)
    _changed: asyncio.Event = field(init=False)
    _condemned: list[PendingFailure] = field(init=False, default_factory=list)
    _refusals: RejectionCounter = field(init=False, default_factory=RejectionCounter)
    _canary: Target | None = field(init=False, default=None)
    _patience: dict[SpectrumId, float] = field(init=False, default_factory=dict)
    _last_good: float = field(init=False, default=float("-inf"))
    _bugs: int = field(init=False, default=0)
    _draining: bool = field(init=False, default=False)
    _patient: DiskFullRetry = field(init=False)

    def __post_init__(self) -> None:
        self._agenda = WorkQueue(self.targets)
        self._canary = self.known_good[0] if self.known_good else None
        # One waiting assignment a worker hides the producer's latency; more would only delay retries that are due.
        self._queue = asyncio.Queue(self.limits.concurrency)
        self._changed = asyncio.Event()
        self._patient = DiskFullRetry(
            self.store, self.admission, self.stop, self.limits.disk_wait, self.emit, self.clock
        )
        self.admission.add_probe_listener(self._hear_of_probe)

    async def run(self) -> None:
        """Harvest until done, drained or aborted. Whatever goes wrong is in the stop's cause, and in the log."""
        now = self._now()
        for leftover in self.leftovers:
            self._agenda.resume(Attempt(leftover.target, leftover.attempt), now + leftover.due)
        try:
            async with asyncio.timeout(None) as patience:
                self.stop.on_change(lambda: self._limit(patience))
                async with asyncio.TaskGroup() as beside:
                    prober = beside.create_task(self._probe())
                    async with asyncio.TaskGroup() as crew:
                        crew.create_task(self._produce())
                        for _ in range(WORKERS_PER_REQUEST_SLOT * self.limits.concurrency):
                            crew.create_task(self._work())
                    prober.cancel()
        except TimeoutError:
            if not patience.expired():
                raise

    def put_off(self) -> list[PendingRetry]:
        """The retries that are left once it has returned."""
        return self._agenda.remaining_retries(self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _limit(self, patience: asyncio.Timeout) -> None:
        """From now on what is in flight has ``grace`` seconds, or none. A signal after the end is a no-op."""
        if not self._draining and self.stop.cause is not None:
            self._draining = True
            self.emit(ev.HarvestDraining(self.clock(), self.stop.cause.reason))
        for waiting in (self._changed, self.admission.state_changed):
            waiting.set()
        self.admission.notify()
        deadline = self._now() + (0.0 if self.stop.aborting.is_set() else self.limits.grace)
        try:
            patience.reschedule(min(deadline, patience.when() or deadline))
        except RuntimeError:
            log.debug("stopped while no harvest was under way")

    # ---- what is asked, and in which order

    async def _produce(self) -> None:
        """Feed the queue from the agenda until nothing is left or the stop is set; then one sentinel a worker."""
        while not self.stop.draining.is_set() and not self._done:
            self._changed.clear()
            assignment = self._agenda.take(self._now())
            if assignment is not None:
                await self._queue.put(assignment)
            elif not self._done:
                self._seek_evidence()
                due = self._agenda.next_due
                await (wait_for_event(self._changed, due - self._now()) if due is not None else self._changed.wait())
        for _ in range(WORKERS_PER_REQUEST_SLOT * self.limits.concurrency):
            await self._queue.put(None)

    @property
    def _done(self) -> bool:
        return self._agenda.finished if self.wait_for_retries else self._agenda.idle

    def _seek_evidence(self) -> None:
        """Nobody else is asking, so nobody will tell whether the archive is well: ask for a known-good spectrum."""
        if self._condemned and len(self._condemned) == self._agenda.open:
            self.admission.request_probe(f"{self._condemned[-1].failure.detail}; is it the archive?")

    async def _work(self) -> None:
        while (assignment := await self._queue.get()) is not None:
            self._phase(assignment, ev.Phase.WAITING)
            if await self.admission.acquire(self.stop.draining):
                await self._attempt(assignment, in_flight=True)
                self._changed.set()
            # else drained: what was handed out and not asked for stays on the list for the next run

    # ---- one attempt

    async def _attempt(self, assignment: Attempt, in_flight: bool) -> Failure | None:
        """Ask once and settle what came of it; the failure, if it was one."""
        started = self._now()
        fetched: Fetched | None = None
        try:
            try:
                fetched = await self.archive.fetch(assignment.target, lambda phase: self._phase(assignment, phase))
            finally:
                if in_flight:
                    self.admission.release(self._now() - started if fetched else None)
            return await run_to_completion(self._keep(assignment, fetched, started))
        except FetchError as error:
            return self._fail(assignment, error.failure, started, error.url)
        except StoreError as error:
            self._leave_to_next_run(assignment, error)
            return None
        except Exception as bug:  # noqa: BLE001 - one odd spectrum must not stop a night; it is logged and exit is 1
            return self._bug(assignment, bug, started)

    async def _keep(self, assignment: Attempt, fetched: Fetched, started: float) -> Failure | None:
        """Prove the body and give it its name, or keep it apart; then settle. A fault of the disk stops the run."""
        target = assignment.target
        self._phase(assignment, ev.Phase.VERIFY)
        verdict = self.inspect(target, fetched.body)
        self._phase(assignment, ev.Phase.WRITE)
        try:
            if isinstance(verdict, FailedCheck):
                path = await self.store.quarantine(target, fetched, verdict)
                self.emit(ev.BodyQuarantined(self.clock(), target, verdict.check, path))
                return self._fail(assignment, Failure(verdict.kind, verdict.detail, 200), started, fetched.url)
            told = (fetched.url, fetched.header("ETag"), fetched.header("Last-Modified"))
            proved = Saved(target, verdict, assignment.attempt, self._now() - started, *told)
            self.emit(ev.SpectrumVerified(self.clock(), proved))
            await self._patient.put(target, fetched.body)
        except StoreError as error:
            self._leave_to_next_run(assignment, error)
            return None
        self.emit(ev.SpectrumSaved(self.clock(), replace(proved, elapsed=self._now() - started)))
        self._agenda.done()
        self._patience.pop(target.did, None)
        self._heard_good(target)
        return None

    def _leave_to_next_run(self, assignment: Attempt, error: StoreError) -> None:
        """This machine's fault: it concerns the run, and no spectrum."""
        self._agenda.requeue(assignment, self._now())
        self.stop.drain(StopReason(str(error), error.exit_code))

    def _heard_good(self, target: Target) -> None:
        self._bugs = 0
        self._canary = target
        self._last_good = self._now()
        self._refusals.heard_other()
        self.admission.record(Signal.OK)
        self._judge_condemned()

    def _fail(self, assignment: Attempt, failure: Failure, started: float, url: str) -> Failure:
        """Say what it says of the archive, and schedule another attempt, give it back, or give it up."""
        sign = classify(failure)
        self.admission.record(sign, failure)
        now = self._now()
        away = sign is Signal.OUTAGE_LIKE and self.admission.breaker.outage
        if away and not self._asks_for_patience_alone(assignment, failure):
            self._agenda.requeue(assignment, now)
            return failure
        wait = wait_before_retry(failure, assignment.attempt, self.limits, self.rng)
        if wait is not None:
            self._agenda.retry(assignment, now + wait, now if sign is Signal.OUTAGE_LIKE else float("-inf"))
            due = self.clock() + wait
            self.emit(ev.RetryScheduled(self.clock(), assignment.target, assignment.attempt, failure, due))
            return failure
        condemned = PendingFailure(assignment, failure, started, url)
        if (
            sign is Signal.OUTAGE_LIKE
            and self._last_good < started
            and (self._canary or self._bystander(assignment.target))
        ):
            self._condemned.append(condemned)
        else:
            self._give_up(condemned)
        return failure

    def _asks_for_patience_alone(self, assignment: Attempt, failure: Failure) -> bool:
        """Whether a Retry-After is this one spectrum's habit: it had one before, and others were served since."""
        if failure.retry_after is None:
            return False
        asked_before = self._patience.get(assignment.target.did)
        self._patience[assignment.target.did] = self._now()
        return asked_before is not None and self._last_good > asked_before

    def _give_up(self, condemned: PendingFailure) -> None:
        self._agenda.done()
        target, failure = condemned.assignment.target, condemned.failure
        self._patience.pop(target.did, None)
        failed = Failed(target, failure, condemned.assignment.attempt, self._now() - condemned.started, condemned.url)
        self.emit(ev.SpectrumFailed(self.clock(), failed))
        if self._refusals.heard(failure):
            self.admission.request_probe(f"{failure.detail}; is it the request?")

    def _refused(self, failure: Failure) -> None:
        own = failure.kind is FailureKind.NO_URL
        why = "nothing leads to an address that may be asked" if own else "the archive refuses our requests as such"
        self.stop.drain(StopReason(f"{why}: {failure.detail}", 7))

    def _bug(self, assignment: Attempt, bug: Exception, started: float) -> Failure:
        self._bugs += 1
        log.exception("bug while harvesting %s", assignment.target.did, exc_info=bug)
        failure = Failure(FailureKind.INTERNAL, f"{type(bug).__name__}: {bug}")
        self._give_up(PendingFailure(assignment, failure, started, ""))
        if self._bugs >= BUGS_IN_A_ROW:
            self.stop.drain(StopReason(f"a bug of ours, {self._bugs} times in a row: {failure.detail}", 1))
        return failure

    # ---- whether the archive is there

    async def _probe(self) -> None:
        """While the gate holds, ask now and then, alone; judge by the answer what failed before."""
        PROBING.set(True)
        while True:
            self.admission.state_changed.clear()
            gate = self.admission.breaker
            if not gate.is_open:
                await self.admission.state_changed.wait()
            elif self._given_up_waiting():
                return
            elif await wait_for_event(self.admission.state_changed, self._next_look(gate) - self._now()):
                continue
            elif self._now() >= gate.until:
                await self._ask_whether_it_is_there()

    def _next_look(self, gate: CircuitBreaker) -> float:
        """When the next probe, or the end of all patience, is due."""
        if not gate.outage or gate.good_probes:
            return gate.until
        return min(gate.until, gate.since + self.limits.max_outage + 0.001)

    def _given_up_waiting(self) -> bool:
        gate = self.admission.breaker
        away = self._now() - gate.since
        if self.stop.draining.is_set() or not gate.outage or gate.good_probes or away <= self.limits.max_outage:
            return self.stop.draining.is_set()
        self.stop.drain(StopReason(f"the archive was away for {away / 60:.0f} minutes: {gate.reason}", 5))
        return True

    async def _ask_whether_it_is_there(self) -> None:
        known = self._canary is not None
        target = self._canary or self._bystander(None)
        if target is None or not await self.admission.acquire_probe(self.stop.draining):
            return
        failure = await self._ask_for(target)
        if failure is None:
            self._canary, self._last_good = target, self._now()
        elif RejectionCounter.is_one(failure) and (known or self._refusals.heard_elsewhere()):
            self._refused(failure)
        elif RejectionCounter.is_one(failure):
            return  # somebody else is asked at once: these may be a block of spectra that are not public
        self.admission.record_probe(failure, canary=known or failure is None)

    def _hear_of_probe(self, failure: Failure | None) -> None:
        self._judge(failure)
        self._changed.set()

    def _bystander(self, but: Target | None) -> Target | None:
        """Any spectrum of this harvest: where none is known to be good, one from anywhere in the list is asked for.

        Bad ones come in blocks, so chance finds a good one soon; it is fetched again for the store in its own turn.
        """
        everyone = self.targets if isinstance(self.targets, Sequence) else ()
        if not everyone:
            return next((leftover.target for leftover in self.leftovers if leftover.target != but), None)
        target: Target = everyone[self.rng.randrange(len(everyone))]
        return target if len(everyone) > 1 or target != but else None

    async def _ask_for(self, canary: Target) -> Failure | None:
        try:
            fetched = await self.archive.fetch(canary, lambda phase: None)
        except FetchError as error:
            return error.failure
        except StoreError as error:
            self.stop.drain(StopReason(str(error), error.exit_code))
            return None
        verdict = self.inspect(canary, fetched.body)
        return Failure(verdict.kind, verdict.detail, 200) if isinstance(verdict, FailedCheck) else None

    def _judge(self, failure: Failure | None) -> None:
        """After a probe: what failed before was the archive's fault if it failed too, else the spectra's."""
        if self.admission.breaker.outage:
            self._agenda.uncount_attempts(self._last_good)
            for condemned in self._condemned:
                self._agenda.requeue(condemned.assignment, self._now())
            self._condemned.clear()
        elif failure is None and not self.admission.breaker.is_open:
            self._judge_condemned()

    def _judge_condemned(self) -> None:
        condemned, self._condemned = self._condemned, []
        for each in condemned:
            self._give_up(each)

    def _phase(self, assignment: Attempt, phase: ev.Phase) -> None:
        self.emit(ev.PhaseEntered(self.clock(), assignment.target, assignment.attempt, phase))


async def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` to its end even when cancelled meanwhile; then the cancellation goes on, whatever it brought."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue  # already on the way out
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.warning("while stopping", exc_info=fault)
        raise
