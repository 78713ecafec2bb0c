"""The events of a run, as immutable values. Times are seconds since 1970, UTC."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import ClassVar

from ..model.failures import Failure
from ..model.outcomes import Check, Failed, Saved
from ..model.target import Target


class Phase(StrEnum):
    """The step of an attempt that a worker is in."""

    WAITING = "waiting"
    """It waits for a request slot."""
    RESPONSE = "response"
    """The request is sent; the response has not begun."""
    BODY = "body"
    VERIFY = "verify"
    WRITE = "write"
    HELD = "held"
    """The attempt failed, and a probe decides whether that was the archive's fault."""


class Pause(StrEnum):
    """The reason why no request is sent."""

    RETRY_AFTER = "retry_after"
    """The server requested it."""
    OUTAGE = "outage"
    """The archive seems to be unavailable."""
    DISK = "disk"
    """The disk is full."""
    WINDOW = "window"
    """It is outside the hours that the user allows."""
    USER = "user"
    """The user requested it."""


PLANNED = frozenset({Pause.WINDOW, Pause.USER})
"""The pauses that have nothing to do with the archive or the disk."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at ``time``.

    Only ``logged`` events reach ``events.jsonl`` and ``--progress json``.
    """

    time: float
    logged: ClassVar[bool] = True

    @classmethod
    @cache
    def event_name(cls) -> str:
        """Return the name in JSON: ``HarvestEnded`` is ``harvest_ended``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@dataclass(frozen=True, slots=True)
class HarvestStarted(Event):
    """The plan is made, no request has been sent yet.

    ``retries`` is the number of retries that an earlier run left, the last of which is due at ``retries_until``.
    ``to_refresh`` of the ``wanted`` spectra are stored already; ``refreshed_before`` were replaced by the runs that
    this refresh resumes.
    """

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
    retries: int = 0
    retries_until: float = math.inf
    to_refresh: int = 0
    refreshed_before: int = 0


@dataclass(frozen=True, slots=True)
class PhaseEntered(Event):
    """An attempt has reached its next phase."""

    target: Target
    attempt: int
    phase: Phase
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RequestSent(Event):
    """A request was sent on the wire; aiohttp's silent repeats and redirects are included."""

    url: str
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ResponseReceived(Event):
    """A response was received whole.

    ``latency`` is in seconds, from the request to the last byte; ``size`` is in bytes.
    """

    target: Target
    status: int
    latency: float
    size: int
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RetryScheduled(Event):
    """An attempt failed for a transient reason; the next one is due at ``due``."""

    target: Target
    attempt: int
    failure: Failure
    due: float


@dataclass(frozen=True, slots=True)
class BodyQuarantined(Event):
    """A body failed ``check`` and was put into quarantine.

    ``path`` is relative to the harvest's folder.
    """

    target: Target
    check: Check
    path: str


@dataclass(frozen=True, slots=True)
class SpectrumVerified(Event):
    """A body passed all checks and is about to be stored; ``outcome`` is what will be saved."""

    outcome: Saved
    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class SpectrumSaved(Event):
    """A verified spectrum is stored durably under its name."""

    outcome: Saved


@dataclass(frozen=True, slots=True)
class SpectrumFailed(Event):
    """A spectrum was given up for this run."""

    outcome: Failed


@dataclass(frozen=True, slots=True)
class LimitsChanged(Event):
    """The limits have changed.

    ``rate`` is in requests a second (0: no limit), ``concurrency`` in requests in flight. ``by_server`` tells a
    reaction to the archive's responses from a trial of ours, or a wish of the user's.
    """

    rate: float
    concurrency: int
    reason: str
    by_server: bool = True


@dataclass(frozen=True, slots=True)
class HarvestPaused(Event):
    """No request is sent before ``until``; infinity if the end is unknown."""

    reason: str
    until: float
    kind: Pause = Pause.OUTAGE


@dataclass(frozen=True, slots=True)
class HarvestResumed(Event):
    """Requests are sent again."""

    reason: str


@dataclass(frozen=True, slots=True)
class HarvestDraining(Event):
    """No new request is sent; those in flight are finished."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClockJumped(Event):
    """The wall clock moved ``seconds`` further than time did.

    The machine slept, or the clock was set.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class ObserverFailed(Event):
    """An observer failed and is disabled; the run goes on."""

    observer: str
    error: str


@dataclass(frozen=True, slots=True)
class HarvestEnded(Event):
    """The engine has finished, for ``reason`` and with ``exit_code``."""

    reason: str
    exit_code: int


Kind = type[Event] | Phase
"""What an observer may read: events of a class, or attempts that enter a phase."""

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
"""All events: each has its row in the documentation."""
