"""Gather what every part of one run needs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

from ..config.configuration import Configuration
from ..config.settings import Settings
from ..engine.controls import Controls
from ..engine.interfaces import SpectrumWriter
from ..engine.shutdown import Shutdown
from ..events.bus import EventBus, Observer
from ..events.stats import StatsCollector
from ..storage.interface import Store
from ..storage.run_folder import RunFolder
from .prepare import Preparation

WriterT = TypeVar("WriterT", bound=SpectrumWriter)  # `diff` compares in memory and stores nothing


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall clock and the random generator of a run.

    Tests replace both to simulate a night in a second.
    """

    now: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)


@dataclass(frozen=True, slots=True)
class RunContext(Generic[WriterT]):
    """What every part of one run needs.

    ``stats`` is the first observer on ``bus``, so that all others read current numbers; ``create`` sees to it.
    """

    name: str
    preparation: Preparation
    store: WriterT
    bus: EventBus
    stats: StatsCollector
    shutdown: Shutdown = field(default_factory=Shutdown)
    clock: Clock = field(default_factory=Clock)
    controls: Controls = field(default_factory=Controls)

    @classmethod
    def create(
        cls,
        name: str,
        preparation: Preparation,
        store: WriterT,
        *observers: Observer,
        shutdown: Shutdown | None = None,
        clock: Clock | None = None,
    ) -> RunContext[WriterT]:
        """Return the context of a new run with a bus of its own, on which ``observers`` are."""
        stats = StatsCollector()
        bus = EventBus(stats, *observers)
        return RunContext(name, preparation, store, bus, stats, shutdown or Shutdown(), clock or Clock())

    @property
    def configuration(self) -> Configuration:
        """Return the settings of the run and the profile of its archive."""
        return self.preparation.configuration

    @property
    def settings(self) -> Settings:
        """Return the settings of the run."""
        return self.preparation.configuration.settings

    @property
    def folder(self: RunContext[Store]) -> RunFolder:
        """Return the folder for the files of the run."""
        return self.store.state.run(self.name)


def new_run_name(now: datetime | None = None) -> str:
    """Return a name that sorts by time and is unique among the runs of one directory.

    The part after the hyphen is the fraction of the second, in 65,536ths and hexadecimal.
    """
    time = now or datetime.now(UTC)
    return f"{time:%Y%m%dT%H%M%S}-{(time.microsecond << 16) // 1_000_000:04x}"
