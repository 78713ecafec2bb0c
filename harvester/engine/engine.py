"""Run a harvest: a producer, a bounded queue, a pool of workers, and a prober.

The engine knows archive and store only as Protocols and reports everything that happens as events. A retry never
sleeps in a worker: it returns to the work queue with a due time. The throttle decides when a request may be sent, the
outage monitor what failures mean.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from .. import events as ev
from ..errors import HarvestError, StoreError, resource_fault
from ..model.exit_codes import StopReason
from ..model.failures import Failure, FailureKind, FetchError
from ..model.limits import Limits
from ..model.outcomes import Failed, FailedCheck, Fetched, LongVerification, Saved, Verdict, VerifiedSpectrum
from ..model.target import Target
from .backoff import wait_before_retry
from .circuit_breaker import Signal, classify
from .disk_full import DiskFullRetry
from .interfaces import Archive, Prepare, SpectrumWriter, Throttle, Verify
from .outage import OutageMonitor, PendingFailure
from .own_time import OwnTime, no_own_time
from .rate_limit import wait_for_event
from .shutdown import Shutdown
from .work_queue import Attempt, PendingRetry, WorkQueue

log = logging.getLogger(__name__)

T = TypeVar("T")

BUGS_IN_A_ROW = 3  # one odd spectrum may trigger a bug; three in a row mean that nothing works
DRAWS = 20  # random targets that are tried to find one that was not probed
WORKERS_PER_REQUEST_SLOT = 2  # while one worker waits for a response, another verifies and waits for the disk


@dataclass(slots=True)
class Engine:
    """One harvest of ``targets``.

    ``await run()`` returns when nothing is left, or at shutdown.
    ``known_good`` are spectra that the archive served before, ``elsewhere`` some from other parts of the list: both
    are probed to tell an archive that is down from spectra that are bad. Without ``wait_for_retries``, the engine
    returns when only retries are left, which ``remaining_retries`` returns.
    """

    targets: Iterable[Target]
    archive: Archive
    store: SpectrumWriter
    verify: Verify
    limits: Limits
    throttle: Throttle
    emit: Callable[[ev.Event], None]
    shutdown: Shutdown
    known_good: Sequence[Target] = ()
    leftovers: Sequence[PendingRetry] = ()
    rng: Random = field(default_factory=Random)
    clock: Callable[[], float] = time.time
    wait_for_retries: bool = True
    elsewhere: Sequence[Target] = ()
    is_read: Callable[[ev.Kind], bool] = lambda kind: True  # whether something reads events of a kind
    prepare: Prepare | None = None  # verifies bodies that will be put; None: ``verify``
    own_time: OwnTime = no_own_time  # of the event loop's thread
    _work_queue: WorkQueue = field(init=False)
    _attempts: asyncio.Queue[Attempt | None] = field(init=False)
    _changed: asyncio.Event = field(init=False)
    _outage: OutageMonitor = field(init=False)
    _disk: DiskFullRetry = field(init=False)
    _bugs: int = field(init=False, default=0)
    _draining: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._work_queue = WorkQueue(self.targets)
        # One waiting attempt a worker hides the producer's latency; more would only delay retries that are due.
        self._attempts = asyncio.Queue(self.limits.concurrency)
        self._changed = asyncio.Event()
        self._disk = DiskFullRetry(
            self.store, self.throttle, self.shutdown, self.limits.disk_wait, self.emit, self.clock
        )
        self._outage = OutageMonitor(
            self.throttle, self._work_queue, self.limits, self.shutdown,
            self._request_again, self._random_target, self._give_up, self.known_good,
        )  # fmt: skip
        self.throttle.add_probe_listener(self._after_probe)

    async def run(self) -> None:
        """Harvest until done, drained or aborted.

        Faults are reported in the shutdown's cause and in the log.
        """
        now = self._now()
        for leftover in self.leftovers:
            self._work_queue.resume(Attempt(leftover.target, leftover.attempt, leftover.waited), now + leftover.due)
        try:
            async with asyncio.timeout(None) as grace:
                self.shutdown.on_change(lambda: self._limit(grace))
                async with asyncio.TaskGroup() as beside:
                    prober = beside.create_task(self._outage.run())
                    async with asyncio.TaskGroup() as workers:
                        workers.create_task(self._produce())
                        for _ in range(WORKERS_PER_REQUEST_SLOT * self.limits.concurrency):
                            workers.create_task(self._work())
                    prober.cancel()
        except TimeoutError:
            if not grace.expired():
                raise
        self._outage.finish()

    def remaining_retries(self) -> list[PendingRetry]:
        """Return the retries that are left once ``run`` has returned."""
        return self._work_queue.remaining_retries(self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _limit(self, grace: asyncio.Timeout) -> None:
        """Give requests in flight ``limits.grace`` seconds, or none when aborted."""
        if not self._draining and self.shutdown.cause is not None:
            self._draining = True
            self.emit(ev.HarvestDraining(self.clock(), self.shutdown.cause.reason))
        for event in (self._changed, self.throttle.state_changed):
            event.set()
        self.throttle.notify()
        deadline = self._now() + (0.0 if self.shutdown.aborting.is_set() else self.limits.grace)
        try:
            grace.reschedule(min(deadline, grace.when() or deadline))
        except RuntimeError:
            log.debug("shutdown was requested while no harvest was running")

    async def _produce(self) -> None:
        """Feed the workers until nothing is left or the run is drained."""
        while not self.shutdown.draining.is_set() and not self._done:
            self._changed.clear()
            attempt = self._work_queue.take(self._now())
            if attempt is not None:
                await self._attempts.put(attempt)
            elif not self._done:
                self._outage.seek_evidence()
                await self._until_due()
        for _ in range(WORKERS_PER_REQUEST_SLOT * self.limits.concurrency):
            await self._attempts.put(None)

    async def _until_due(self) -> None:
        """Wait for the next retry, or until an attempt has ended."""
        due = self._work_queue.next_due
        await (wait_for_event(self._changed, due - self._now()) if due is not None else self._changed.wait())

    @property
    def _done(self) -> bool:
        return self._work_queue.finished if self.wait_for_retries else self._work_queue.idle

    async def _work(self) -> None:
        while (attempt := await self._attempts.get()) is not None:
            self._phase(attempt, ev.Phase.WAITING)
            if await self.throttle.acquire(self.shutdown.draining):
                await self._attempt(attempt)
                self._changed.set()
            # else drained: a target that was not requested is left to the next run

    async def _attempt(self, attempt: Attempt) -> None:
        """Request the spectrum once, and decide what follows from the result."""
        started, own = self._now(), self.own_time()
        fetched: Fetched | None = None
        try:
            try:
                fetched = await self.archive.fetch(attempt.target, lambda phase: self._phase(attempt, phase))
            finally:
                self.throttle.release(self._now() - started if fetched else None, self.own_time() - own)
            await run_to_completion(self._keep(attempt, fetched, started))
        except FetchError as error:
            self._fail(attempt, error.failure, started, error.url)
        except StoreError as error:
            self._leave_to_next_run(attempt, error)
        except Exception as bug:  # noqa: BLE001 - one odd spectrum must not stop a run; it is logged and exit is 1
            if fault := resource_fault(bug):
                self._leave_to_next_run(attempt, fault)
            else:
                self._give_up(PendingFailure(attempt, self._bug(attempt.target, bug), started, ""))

    async def _keep(self, attempt: Attempt, fetched: Fetched, started: float) -> None:
        """Verify the body, and store it or put it into quarantine.

        A fault of the disk stops the run.
        """
        try:
            await self._verify_and_store(attempt, fetched, started)
        except StoreError as error:
            self._leave_to_next_run(attempt, error)

    async def _verify_and_store(self, attempt: Attempt, fetched: Fetched, started: float) -> None:
        target = attempt.target
        self._phase(attempt, ev.Phase.VERIFY)
        verdict = await _judged(target, fetched.body, self.verify, self.prepare)
        self._phase(attempt, ev.Phase.WRITE)
        if isinstance(verdict, FailedCheck):
            failure = Failure(verdict.kind, verdict.detail, 200)
            self.throttle.record(classify(failure), failure, attempt.waited)  # before the others go on
            path = await self._disk.quarantine(target, fetched, verdict)
            self.emit(ev.BodyQuarantined(self.clock(), target, verdict.check, path))
            self._settle(attempt, failure, started, fetched.url)
            return
        if self.is_read(ev.SpectrumVerified):
            self.emit(ev.SpectrumVerified(self.clock(), _saved(attempt, fetched, verdict, self._now() - started)))
        await self._disk.put(target, fetched.body)
        self.emit(ev.SpectrumSaved(self.clock(), _saved(attempt, fetched, verdict, self._now() - started)))
        self._work_queue.done()
        self._succeed(attempt, started)

    def _leave_to_next_run(self, attempt: Attempt, error: HarvestError) -> None:
        """Stop the run for a fault of this machine; it counts against no spectrum."""
        self._work_queue.requeue(attempt, self._now())
        self.shutdown.drain(StopReason(str(error), error.exit_code))

    def _succeed(self, attempt: Attempt, started: float) -> None:
        self._bugs = 0
        self.throttle.record(Signal.OK, waited=attempt.waited)
        self._outage.record_success(attempt.target, started)

    def _fail(self, attempt: Attempt, failure: Failure, started: float, url: str) -> None:
        """Report the failure to the throttle, and decide what follows."""
        habit = failure.retry_after is not None and attempt.waited and not self.throttle.breaker.is_open
        self.throttle.record(classify(failure), failure, attempt.waited)
        self._settle(attempt, failure, started, url, habit)

    def _settle(self, attempt: Attempt, failure: Failure, started: float, url: str, habit: bool = False) -> None:
        """Retry, keep the failure pending, or give up."""
        signal, now, asked_to_wait = classify(failure), self._now(), failure.retry_after is not None
        if signal is Signal.OUTAGE_LIKE and self.throttle.breaker.outage and not habit:
            self._work_queue.requeue(attempt, now + (failure.retry_after or 0.0), asked_to_wait)
            self._phase(attempt, ev.Phase.WAITING)
            return
        wait = wait_before_retry(failure, attempt.attempt, self.limits, self.rng)
        if wait is not None:
            failed = now if signal is Signal.OUTAGE_LIKE else float("-inf")
            self._work_queue.retry(attempt, now + wait, failed, asked_to_wait)
            self.emit(ev.RetryScheduled(self.clock(), attempt.target, attempt.attempt, failure, self.clock() + wait))
            return
        pending = PendingFailure(attempt, failure, started, url, now)
        if not habit and self._outage.hold(pending):
            self._phase(attempt, ev.Phase.HELD)
        else:
            self._give_up(pending)

    def _give_up(self, pending: PendingFailure) -> None:
        """Count a failure against its spectrum, for this run."""
        self._work_queue.done()
        self.emit(ev.SpectrumFailed(self.clock(), _failed(pending, self._now())))
        self._changed.set()

    def _bug(self, target: Target, bug: Exception) -> Failure:
        """Log a bug; several in a row stop the run."""
        self._bugs += 1
        log.exception("bug while harvesting %s", target.did, exc_info=bug)
        failure = Failure(FailureKind.INTERNAL, f"{type(bug).__name__}: {bug}")
        if self._bugs >= BUGS_IN_A_ROW:
            self.shutdown.drain(StopReason(f"internal error, {self._bugs} times in a row: {failure.detail}", 1))
        return failure

    def _after_probe(self, failure: Failure | None) -> None:
        self._outage.settle(failure)
        self._changed.set()

    def _random_target(self, other_than: Collection[Target]) -> Target | None:
        """Return any other target: bad spectra come in blocks, so chance soon finds a good one."""
        everywhere = self.elsewhere or (self.targets if isinstance(self.targets, Sequence) else ())
        for _ in range(DRAWS if everywhere else 0):
            target: Target = everywhere[self.rng.randrange(len(everywhere))]
            if target not in other_than:
                return target
        return next((leftover.target for leftover in self.leftovers if leftover.target not in other_than), None)

    async def _request_again(self, target: Target) -> Failure | None:
        """Probe with a spectrum, which is stored in its own turn; return why it was not served."""
        try:
            fetched = await self.archive.fetch(target, lambda phase: None)
            verdict = await finished(self.verify(target, fetched.body))
        except FetchError as error:
            return error.failure
        except Exception as bug:
            if isinstance(bug, StoreError) or resource_fault(bug):
                raise
            return self._bug(target, bug)
        return Failure(verdict.kind, verdict.detail, 200) if isinstance(verdict, FailedCheck) else None

    def _phase(self, attempt: Attempt, phase: ev.Phase) -> None:
        if self.is_read(phase):
            self.emit(ev.PhaseEntered(self.clock(), attempt.target, attempt.attempt, phase))


def _saved(attempt: Attempt, fetched: Fetched, verified: VerifiedSpectrum, elapsed: float) -> Saved:
    headers = (fetched.url, fetched.header("ETag"), fetched.header("Last-Modified"))
    return Saved(attempt.target, verified, attempt.attempt, elapsed, *headers)


def _failed(pending: PendingFailure, now: float) -> Failed:
    attempt, elapsed = pending.attempt, now - pending.started
    return Failed(attempt.target, pending.failure, attempt.attempt, elapsed, pending.url)


async def _judged(target: Target, body: bytes, verify: Verify, prepare: Prepare | None) -> Verdict:
    return await prepare(target, body) if prepare else await finished(verify(target, body))


async def finished(verdict: Verdict | LongVerification) -> Verdict:
    """Return the verdict; a verification that takes seconds does not hold the event loop."""
    return await asyncio.to_thread(verdict.finish) if isinstance(verdict, LongVerification) else verdict


async def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` to its end even if cancelled.

    The cancellation then continues, whatever the result.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue  # the cancellation is on its way already
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.warning("while stopping", exc_info=fault)
        raise
