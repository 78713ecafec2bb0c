"""Metrics for Prometheus: a text file for node_exporter, a port to be scraped, or both."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .. import events as ev
from ..errors import UsageError
from ..events.stats import HarvestStats, RequestedAttempts
from ..model.invocation import install_line
from ..model.target import SpectrumId

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge

WRITE_INTERVAL = 15.0  # seconds between two text files
LOOPBACK = "127.0.0.1"  # metrics are private unless their owner puts a proxy before them
LATENCIES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 600.0)
SUCCESS = "harvester_last_success_timestamp_seconds"

ON_THE_WIRE = (ev.Phase.RESPONSE, ev.Phase.BODY)


def require_prometheus() -> None:
    """Raise UsageError where prometheus-client is not installed."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise UsageError(f"metrics need prometheus-client: {install_line('specharvest[metrics]')}") from None


class Metrics:
    """Keep the metrics of one run in a registry of its own.

    Add it to the bus behind the statistics.
    """

    def __init__(self, numbers: Callable[[], HarvestStats]) -> None:
        require_prometheus()
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = where = CollectorRegistry()
        self._numbers = numbers
        self._requested = set[SpectrumId]()
        self._attempts = RequestedAttempts()
        self._requests = Counter("harvester_requests", "Requests sent on the wire", registry=where)
        self._retries = Counter("harvester_retries", "Attempts after a transient failure", registry=where)
        self._bytes = Counter("harvester_bytes", "Bytes of responses received", registry=where)
        self._latency = Histogram(
            "harvester_latency_seconds", "From a request to the last byte", buckets=LATENCIES, registry=where
        )
        self._spectra = Gauge("harvester_spectra", "Spectra in the catalog, by outcome", ["outcome"], registry=where)
        self._failures = Gauge("harvester_failures", "Spectra given up, by kind of failure", ["kind"], registry=where)
        self._remaining = self._gauge("harvester_remaining", "Spectra in the catalog neither stored nor given up")
        self._in_flight = self._gauge("harvester_in_flight", "Requests in flight")
        self._rate = self._gauge("harvester_rate_allowed", "Rate limit in requests a second; 0 is no limit")
        self._concurrency = self._gauge("harvester_concurrency_allowed", "Concurrency limit in requests in flight")
        self._paused = self._gauge("harvester_paused", "1 while no request is sent")
        self._success = self._gauge(SUCCESS, "When a spectrum was last stored, or found that none is missing")

    def _gauge(self, name: str, meaning: str) -> Gauge:
        from prometheus_client import Gauge

        return Gauge(name, meaning, registry=self.registry)

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        before = self._attempts.retries
        self._attempts(event)
        self._retries.inc(self._attempts.retries - before)
        match event:
            case ev.PhaseEntered(target=target, phase=phase):
                self._set_requested(target.did, phase in ON_THE_WIRE)
            case ev.RequestSent():
                self._requests.inc()
            case ev.ResponseReceived(latency=latency, size=size):
                self._latency.observe(latency)
                self._bytes.inc(size)
            case ev.RetryScheduled(target=target):
                self._set_requested(target.did, False)
            case ev.SpectrumSaved(time=time, outcome=saved):
                self._success.set(time)
                self._settle(saved.target.did)
            case ev.SpectrumFailed(outcome=failed):
                self._settle(failed.target.did)
                self._failures.labels(failed.failure.kind.value).inc()
            case _:
                self._change(event)

    def _change(self, event: ev.Event) -> None:
        match event:
            case (
                ev.HarvestStarted(rate=rate, concurrency=concurrency)
                | ev.LimitsChanged(rate=rate, concurrency=concurrency)
            ):
                self._rate.set(rate)
                self._concurrency.set(concurrency)
                self._count()
            case ev.HarvestPaused():
                self._paused.set(1)
            case ev.HarvestResumed() | ev.HarvestDraining():
                self._paused.set(0)
            case ev.HarvestEnded(time=time, exit_code=code):
                self._paused.set(0)
                self._in_flight.set(0)
                if code == 0:
                    self._success.set(time)
                self._count()

    def _set_requested(self, did: SpectrumId, is_requested: bool) -> None:
        (self._requested.add if is_requested else self._requested.discard)(did)
        self._in_flight.set(len(self._requested))

    def _settle(self, did: SpectrumId) -> None:
        self._set_requested(did, False)
        self._count()

    def _count(self) -> None:
        stats = self._numbers()
        for outcome, number in (("present", stats.present), ("saved", stats.saved), ("failed", stats.failed)):
            self._spectra.labels(outcome).set(number)
        self._remaining.set(stats.remaining)

    def take_over(self, path: Path) -> None:
        """Take over from ``path`` when an earlier run last succeeded.

        A run that fails must not look as if none had ever succeeded.
        """
        with contextlib.suppress(OSError, ValueError):
            found = re.search(rf"^{SUCCESS} (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            self._success.set(float(found[1]) if found else 0.0)


@asynccontextmanager
async def text_file(metrics: Metrics, path: Path, broken: Callable[[Exception], None]) -> AsyncIterator[None]:
    """Write the metrics to ``path``, whole or not at all, every 15 seconds and at the end.

    ``broken`` gets the first fault; later writes are tried all the same.
    """
    metrics.take_over(path)
    ending = asyncio.Event()
    writing = asyncio.create_task(_write_on(metrics.registry, path, broken, ending), name="metrics-file")
    try:
        yield
    finally:
        ending.set()
        await asyncio.wait((writing,))


async def _write_on(
    registry: CollectorRegistry, path: Path, broken: Callable[[Exception], None], ending: asyncio.Event
) -> None:
    """Write until the end, and then once more: a write is never cut short by a later one."""
    from prometheus_client import write_to_textfile

    is_broken = is_last = False
    while not is_last:
        is_last = ending.is_set()
        try:
            await asyncio.to_thread(write_to_textfile, str(path), registry)
        except OSError as error:
            if not is_broken:
                broken(error)
            is_broken = True
        if not is_last:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_INTERVAL):
                    await ending.wait()


@asynccontextmanager
async def scrape_port(metrics: Metrics, port: int, broken: Callable[[Exception], None]) -> AsyncIterator[None]:
    """Serve the metrics on loopback, in a thread that ends with the context."""
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, LOOPBACK, metrics.registry)
    except OSError as error:
        broken(error)
        yield
        return
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
