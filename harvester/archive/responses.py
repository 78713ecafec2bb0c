"""Turn a response that is no 200 into a Failure, by status, headers and first words.

No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from ..formatting import first_words
from ..model.failures import Failure, FailureKind

LONGEST_RETRY_AFTER = 6 * 3600.0  # a Retry-After beyond this is taken for a mistake of the server's

_BY_STATUS = {
    204: FailureKind.NO_DATA,
    400: FailureKind.REFUSED_REQUEST,
    401: FailureKind.FORBIDDEN,
    403: FailureKind.FORBIDDEN,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.REFUSED_REQUEST,
    406: FailureKind.REFUSED_REQUEST,
    408: FailureKind.TIMEOUT,
    410: FailureKind.GONE,
    413: FailureKind.REFUSED_REQUEST,
    414: FailureKind.REFUSED_REQUEST,
    415: FailureKind.REFUSED_REQUEST,
    422: FailureKind.REFUSED_REQUEST,
    425: FailureKind.BUSY,
    429: FailureKind.BUSY,
    431: FailureKind.REFUSED_REQUEST,
    503: FailureKind.BUSY,
}


def failure_from_response(status: int, headers: Mapping[str, str], body: bytes | bytearray, now: float) -> Failure:
    """Return why a response is no spectrum, in the server's own words.

    ``now`` is seconds since 1970. Only 200 is one: 206 is a part, 203 another's rendering, 3xx that were not followed
    lead nowhere.
    """
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = FailureKind.SERVER_ERROR if 500 <= status <= 599 else FailureKind.UNEXPECTED_STATUS
    words = first_words(body)
    detail = f"HTTP {status}: {words}" if words else f"HTTP {status} {_silence(status)}"
    wait = retry_after(headers, now) if status in (429, 503) else None
    return Failure(kind, detail, status, wait)


def _silence(status: int) -> str:
    return "no data for this request" if status == 204 else "without a message"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a Retry-After header demands (RFC 9110 section 10.2.3).

    None without a usable one. A date is compared with the server's own clock (its Date header) where there is one:
    ours, or its, may be wrong.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        wait = float(value)
    else:
        due = _moment(value)
        if due is None:
            return None
        sent = _moment(headers.get("Date", ""))
        wait = due - (now if sent is None else sent)
    return max(wait, 0.0) if wait <= LONGEST_RETRY_AFTER else None


def _moment(date: str) -> float | None:
    """Return the seconds since 1970 of an HTTP date; None if it is none."""
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
