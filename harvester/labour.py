"""Who does the work of a run: one engine in this process, or a crew of hands, under one admission either way."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from . import events as ev
from .admission import Admission
from .archive.client import WebArchive
from .engine import Engine
from .outcomes import Rejected, Verified
from .preparation import Preparation
from .seams import Store
from .settings import Configuration
from .spectra import Target
from .stopping import Stop
from .verify import inspect


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done: the preparation's targets into the store, by a configuration whose archive answers."""

    configuration: Configuration
    preparation: Preparation
    store: Store
    emit: Callable[[ev.Event], None]
    stop: Stop
    dice: Random = field(default_factory=Random)
    wall: Callable[[], float] = time.time

    @property
    def known_good(self) -> list[Target]:
        """A spectrum that the archive had, if there is one."""
        return list(self.preparation.plan.present[:1])

    def admission(self) -> Admission:
        return Admission(self.configuration.settings.limits, self.emit, self.dice, self.wall)


@dataclass(frozen=True, slots=True)
class Labour:
    """``run`` returns when nothing is left or the stop says so; ``renew`` makes all connections anew."""

    run: Callable[[], Awaitable[None]]
    renew: Callable[[], Awaitable[None]]


@asynccontextmanager
async def alone(task: Task) -> AsyncIterator[Labour]:
    """One engine, in this process and this loop."""
    admission, stop, settings = task.admission(), task.stop, task.configuration.settings
    expected = task.configuration.expectation

    async def turn() -> bool:
        return await admission.go_on(stop.draining)

    def prove(target: Target, body: bytes) -> Verified | Rejected:
        return inspect(body, target.did, expected)

    client = WebArchive(task.configuration.route, settings.limits, settings.contact, task.emit, turn, task.wall)
    async with client as archive:
        engine = Engine(
            task.preparation.targets, archive, task.store, prove, settings.limits, admission, task.emit, stop,
            task.known_good, task.preparation.leftovers, task.dice, task.wall,
        )  # fmt: skip
        yield Labour(engine.run, client.renew)


@asynccontextmanager
async def together(task: Task, complaints: Path) -> AsyncIterator[Labour]:
    """As many hands as the settings say, under one admission; ``complaints`` has what they say that is no message."""
    from .cluster.broker import Broker
    from .cluster.commission import Commission
    from .cluster.foreman import Foreman
    from .cluster.processes import ProcessCrew
    from .cluster.shards import Deal

    deal = Deal(task.preparation.targets, task.preparation.leftovers, next(iter(task.known_good), None))
    commission = Commission.of(task.configuration)
    broker = Broker(task.admission(), task.emit, task.stop, task.wall)
    async with (
        broker,
        ProcessCrew(task.configuration.settings.processes, commission, broker, complaints) as crew,
    ):

        async def renew() -> None:
            broker.renew()

        yield Labour(Foreman(deal, crew, task.stop).run, renew)


def hired(task: Task, folder: Path) -> AbstractAsyncContextManager[Labour]:
    """Whom the settings ask for; ``folder`` is the run's own."""
    settings = task.configuration.settings
    return together(task, folder / "processes.log") if settings.processes > 1 else alone(task)
