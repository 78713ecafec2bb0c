"""Events as JSON: the public schema of ``--progress json`` and ``events.jsonl``."""

from __future__ import annotations

import math

from .. import events as ev
from ..formatting import FARTHEST, iso_utc
from ..model.failures import Failure
from ..model.outcomes import Failed, Saved
from ..model.target import Target

IN_LEDGER = ("url", "sha256", "content_digest", "points", "wave_min", "wave_max", "object")
"""The fields of a saved spectrum that ``events.jsonl`` leaves to its ledger entry: two thirds of a line."""
TIME_FIELDS = ("due", "until", "retries_until")  # seconds since 1970, like ``time`` itself


def to_json(event: ev.Event) -> dict[str, object]:
    """Return the event's fields as one flat object.

    A target becomes ``id`` and ``name``, times are ISO 8601 in UTC, unknown values are null.
    """
    flat: dict[str, object] = {"event": event.event_name(), "time": moment(event.time)}
    for name in event.__match_args__:
        if name != "time":
            flat |= _flat(name, getattr(event, name))
    return flat


def to_log(event: ev.Event) -> dict[str, object]:
    """Return the same without the fields ``IN_LEDGER`` of a saved spectrum."""
    flat = to_json(event)
    if isinstance(event, ev.SpectrumSaved):
        for name in IN_LEDGER:
            del flat[name]
    return flat


def moment(seconds: float) -> str | None:
    """Return seconds since 1970 as ``2026-11-22T21:00:00.123Z``.

    Return None for what is no time of a run: before 1970, after 2100, infinity.
    """
    return iso_utc(seconds, "milliseconds") if 0 <= seconds < FARTHEST else None


def _flat(name: str, value: object) -> dict[str, object]:
    match value:
        case Target(did=did, name=stem):
            return {"id": did, "name": stem}
        case Failure():
            return _failure(value)
        case Saved():
            return _saved(value)
        case Failed(target=target, failure=failure):
            return {**_flat("target", target), **_attempts(value), **_failure(failure)}
        case float():
            return {name: moment(value) if name in TIME_FIELDS else _finite(value)}
    return {name: value}


def _finite(number: float | None) -> float | None:
    """Return None for infinity and NaN, which JSON does not have."""
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
    verified = saved.verified
    return {
        **_flat("target", saved.target),
        **_attempts(saved),
        "bytes": verified.size,
        "sha256": verified.sha256,
        "content_digest": verified.content_digest,
        "points": verified.points,
        "wave_min": _finite(verified.wave_min),
        "wave_max": _finite(verified.wave_max),
        "object": verified.object_name,
    }
