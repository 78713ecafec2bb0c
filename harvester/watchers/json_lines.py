"""Events as JSON, one flat object a line: for ``--progress json`` and ``events.jsonl``. The schema is public."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from .. import events as ev
from ..failures import Failure
from ..outcomes import Failed, Saved
from ..spectra import Target
from .figures import FARTHEST
from .outlet import Outlet

MOMENTS = ("due", "until")  # these are times, like ``time`` itself


def to_json(event: ev.Event) -> dict[str, object]:
    """The event's fields, flat: a target is ``id`` and ``name``, times are ISO 8601 in UTC, what is unknown is null."""
    flat: dict[str, object] = {"event": event.event_name(), "time": moment(event.time)}
    for name in event.__match_args__:
        if name != "time":
            flat |= _flat(name, getattr(event, name))
    return flat


def moment(seconds: float) -> str | None:
    """``2026-11-22T21:00:00.123Z``."""
    if not 0 <= seconds < FARTHEST:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _flat(name: str, value: object) -> dict[str, object]:
    match value:
        case Target(did=did, name=file_stem):
            return {"id": did, "name": file_stem}
        case Failure():
            return _failure(value)
        case Saved():
            return _saved(value)
        case Failed(target=target, failure=failure):
            return {**_flat("target", target), **_attempts(value), **_failure(failure)}
        case float():
            return {name: moment(value) if name in MOMENTS else _finite(value)}
    return {name: value}


def _finite(number: float | None) -> float | None:
    """JSON has no infinity and no NaN."""
    return number if number is not None and math.isfinite(number) else None


def _attempts(outcome: Saved | Failed) -> dict[str, object]:
    return {"attempts": outcome.attempts, "elapsed": round(outcome.elapsed, 3), "url": outcome.url}


def _failure(failure: Failure) -> dict[str, object]:
    return {
        "kind": failure.kind.value,
        "blame": failure.kind.blame.value,
        "detail": failure.detail,
        "http_status": failure.status,
        "retry_after": _finite(failure.retry_after),
    }


def _saved(saved: Saved) -> dict[str, object]:
    proof = saved.verified
    return {
        **_flat("target", saved.target),
        **_attempts(saved),
        "bytes": proof.size,
        "sha256": proof.sha256,
        "content_digest": proof.content_digest,
        "points": proof.points,
        "wave_min": _finite(proof.wave_min),
        "wave_max": _finite(proof.wave_max),
        "object": proof.object_name,
    }


class JsonLines:
    """Says the logged events. The last line is the caller's, with the summary: ``end`` says it.

    It tells what ``HarvestEnded`` tells and more, so that event has no line of its own. JSON is ASCII here: no stream
    is too narrow for it, and no escape sequence survives in it.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._ended = False

    def __call__(self, event: ev.Event) -> None:
        if not self._ended and not isinstance(event, ev.HarvestEnded):
            self._outlet.say(_line(to_json(event)))

    def end(self, summary: Mapping[str, object], time: float) -> None:
        """Queued however much is waiting; it is out once the outlet is closed."""
        self._ended = True
        name = ev.HarvestEnded.event_name()
        self._outlet.insist(_line({"event": name, "time": moment(time), "summary": dict(summary)}))


def _line(told: Mapping[str, object]) -> str:
    return json.dumps(told, allow_nan=False) + "\n"
