"""What happens in a harvest, as frozen values, and the bus that hands them to whoever watches.

``emit`` is synchronous and ordered. A watcher returns within microseconds or owns a queue of its own. One that raises
is dropped and named in a ``ObserverFailed``: a broken dashboard never costs a night.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import ClassVar

from ..model.failures import Failure
from ..model.outcomes import Check, Failed, Saved
from ..model.target import Target


class Phase(StrEnum):
    """What a worker is doing with a spectrum right now."""

    WAITING = "turn"
    RESPONSE = "answer"
    BODY = "body"
    VERIFY = "verify"
    WRITE = "write"


class Pause(StrEnum):
    """Why nobody asks."""

    RETRY_AFTER = "retry_after"
    """The archive asked for it."""
    OUTAGE = "outage"
    """The archive seems to be away."""
    DISK = "disk"
    WINDOW = "window"
    """It is outside the hours that the user allows."""


@dataclass(frozen=True, slots=True)
class Event:
    """``time`` is seconds since 1970, UTC. Only ``logged`` events reach ``events.jsonl`` and ``--progress json``."""

    time: float
    logged: ClassVar[bool] = True

    @classmethod
    @cache
    def event_name(cls) -> str:
        """The name in JSON: ``HarvestEnded`` is ``harvest_ended``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@dataclass(frozen=True, slots=True)
class HarvestStarted(Event):
    """The plan is made, nothing has been asked yet."""

    run: str
    archive: str
    host: str
    out: str
    listed: int
    present: int
    wanted: int
    rate: float
    concurrency: int
    endpoint: str = ""
    request_key: str = ""
    user_agent: str = ""
    profile_sha256: str = ""


@dataclass(frozen=True, slots=True)
class PhaseEntered(Event):
    """A worker goes on to the next phase of an attempt."""

    target: Target
    attempt: int
    phase: Phase
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RequestSent(Event):
    """A request went out on the wire, aiohttp's silent repeats and redirects included."""

    url: str
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ResponseReceived(Event):
    """An answer came in whole: ``latency`` in seconds, from the request to the last byte; ``size`` in bytes."""

    target: Target
    status: int
    latency: float
    size: int
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RetryScheduled(Event):
    """An attempt failed in a way that is worth another, at ``due`` (seconds since 1970)."""

    target: Target
    attempt: int
    failure: Failure
    due: float


@dataclass(frozen=True, slots=True)
class BodyQuarantined(Event):
    """Bytes failed a gate and were kept apart, in ``path`` below the harvest's folder."""

    target: Target
    check: Check
    path: str


@dataclass(frozen=True, slots=True)
class SpectrumVerified(Event):
    """Bytes passed the gates and are about to get their name; ``outcome`` is what will be saved."""

    outcome: Saved
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class SpectrumSaved(Event):
    """A verified spectrum has its name on disk, durably."""

    outcome: Saved


@dataclass(frozen=True, slots=True)
class SpectrumFailed(Event):
    """A spectrum was given up for this run."""

    outcome: Failed


@dataclass(frozen=True, slots=True)
class LimitsChanged(Event):
    """What is allowed from now on: ``rate`` in requests a second (0: no limit), ``concurrency`` requests at once;
    ``imposed`` by what the archive said, or a trial of ours."""

    rate: float
    concurrency: int
    reason: str
    by_server: bool = True


@dataclass(frozen=True, slots=True)
class HarvestPaused(Event):
    """Nobody asks anything until ``until`` (seconds since 1970)."""

    reason: str
    until: float
    kind: Pause = Pause.OUTAGE


@dataclass(frozen=True, slots=True)
class HarvestResumed(Event):
    """Requests go out again."""

    reason: str


@dataclass(frozen=True, slots=True)
class HarvestDraining(Event):
    """No new request is made; what is in flight may end."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClockJumped(Event):
    """The wall clock went ``seconds`` further than time did: the machine slept, or the clock was set."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ObserverFailed(Event):
    """Something that only watches broke and is watched no more; the harvest goes on."""

    watcher: str
    error: str


@dataclass(frozen=True, slots=True)
class HarvestEnded(Event):
    """The engine is done; ``reason`` in words, ``exit_code`` as the README's table has it."""

    reason: str
    exit_code: int


EVENTS: tuple[type[Event], ...] = (
    HarvestStarted,
    PhaseEntered,
    RequestSent,
    ResponseReceived,
    RetryScheduled,
    BodyQuarantined,
    SpectrumVerified,
    SpectrumSaved,
    SpectrumFailed,
    HarvestPaused,
    HarvestResumed,
    LimitsChanged,
    HarvestDraining,
    ClockJumped,
    ObserverFailed,
    HarvestEnded,
)
"""All of them: each has its row in the README."""
