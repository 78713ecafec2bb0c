"""Who looks on besides the terminal, if the settings say so: metrics and the webhook. None may cost a harvest."""

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
    """UsageError if something that is asked for is not installed: before the night, not in it."""
    if settings.metrics_file is not None or settings.metrics_port is not None:
        require_prometheus()


@dataclass(slots=True)
class Observers:
    """Those of one run. ``faults`` are what became of them, in words."""

    webhook: Webhook | None = None
    _faults: list[str] = field(default_factory=list)

    @property
    def faults(self) -> Sequence[str]:
        told = self.webhook.faults if self.webhook else []
        return [*self._faults, *(f"webhook: {fault}" for fault in told)]

    def lose(self, name: str, bus: EventBus) -> Callable[[Exception], None]:
        """What to call when the onlooker ``name`` breaks."""

        def broken(error: Exception) -> None:
            words = f"{type(error).__name__}: {error}"
            self._faults.append(f"{name}: {words}")
            bus.emit(ev.ObserverFailed(time.time(), name, words))

        return broken

    async def close(self, summary: Mapping[str, object], stop: Shutdown) -> Sequence[str]:
        """Once the books are closed. What went wrong with that is known to nobody yet."""
        known = len(self.faults)
        if self.webhook is not None:
            await self.webhook.end(summary, stop.aborting)
        return self.faults[known:]


@asynccontextmanager
async def observing(run: RunContext[WriterT]) -> AsyncIterator[Observers]:
    """Attach metrics and webhook to the run's bus, as far as its settings name them, and yield them."""
    settings, bus, stats = run.settings, run.bus, run.stats
    observers = Observers()
    async with AsyncExitStack() as stack:
        if settings.metrics_file is not None or settings.metrics_port is not None:
            metrics = Metrics(lambda: stats.stats)
            bus.add(metrics)
            if settings.metrics_port is not None:
                broken = observers.lose("metrics port", bus)
                await stack.enter_async_context(scrape_port(metrics, settings.metrics_port, broken))
            if settings.metrics_file is not None:
                broken = observers.lose("metrics file", bus)
                await stack.enter_async_context(text_file(metrics, settings.metrics_file, broken))
        if settings.notify is not None:
            observers.webhook = Webhook(settings.notify, lambda: stats.stats)
            bus.add(await stack.enter_async_context(observers.webhook), logged_only=True)
        yield observers
