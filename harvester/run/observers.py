"""Attach the observers that the settings name: metrics and the webhook.

A fault of theirs never ends a run.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from .. import events as ev
from ..config.settings import Settings
from ..engine.shutdown import Shutdown
from ..events.bus import EventBus
from ..monitoring.metrics import Metrics, require_prometheus, scrape_port, text_file
from ..monitoring.webhook import Webhook
from .context import RunContext, WriterT


def check(settings: Settings) -> None:
    """Raise UsageError if a configured observer needs a package that is not installed."""
    if settings.metrics_file is not None or settings.metrics_port is not None:
        require_prometheus()


@dataclass(slots=True)
class Observers:
    """The observers of one run; ``faults`` are sentences about those that failed."""

    webhook: Webhook | None = None
    _faults: list[str] = field(default_factory=list)

    @property
    def faults(self) -> Sequence[str]:
        """Return what went wrong so far, a sentence each."""
        posts = self.webhook.faults if self.webhook else []
        return [*self._faults, *(f"webhook: {fault}" for fault in posts)]

    def fault_handler(self, name: str, bus: EventBus) -> Callable[[Exception], None]:
        """Return a function that records and announces a fault of the observer ``name``."""

        def record(error: Exception) -> None:
            fault = f"{type(error).__name__}: {error}"
            self._faults.append(f"{name}: {fault}")
            bus.emit(ev.ObserverFailed(time.time(), name, fault))

        return record

    async def close(self, summary: Mapping[str, object], shutdown: Shutdown) -> Sequence[str]:
        """Send the webhook's last message after the summary was written.

        Return the faults of doing so.
        """
        known = len(self.faults)
        if self.webhook is not None:
            await self.webhook.end(summary, shutdown.aborting)
        return self.faults[known:]


@asynccontextmanager
async def observing(run: RunContext[WriterT]) -> AsyncIterator[Observers]:
    """Attach the metrics and the webhook that the settings name to the bus, and yield them."""
    settings, bus, stats = run.settings, run.bus, run.stats
    observers = Observers()
    async with AsyncExitStack() as stack:
        if settings.metrics_file is not None or settings.metrics_port is not None:
            metrics = Metrics(lambda: stats.stats)
            bus.add(metrics)
            if settings.metrics_port is not None:
                record = observers.fault_handler("metrics port", bus)
                await stack.enter_async_context(scrape_port(metrics, settings.metrics_port, record))
            if settings.metrics_file is not None:
                record = observers.fault_handler("metrics file", bus)
                await stack.enter_async_context(text_file(metrics, settings.metrics_file, record))
        if settings.notify is not None:
            observers.webhook = Webhook(settings.notify, lambda: stats.stats)
            bus.add(await stack.enter_async_context(observers.webhook), logged_only=True)
        yield observers
