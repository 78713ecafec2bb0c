"""Write events as JSON."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from .. import events as ev
from ..formatting import FARTHEST
from ..model.failures import Failure
from ..model.outcomes import Failed, Saved
from ..model.target import Target

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
