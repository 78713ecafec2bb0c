"""Understand what services say when they refuse a request.

They name limits, positions that they want, time that they lack.

Words go in, numbers and decisions come out. No standard says how such a refusal reads.
"""

from __future__ import annotations

import re

from ..model.failures import Failure, FailureKind

WITHOUT_MAXREC = 0
_FEWER = (10_000, 1_000, 100)  # what is requested in turn where a refusal of MAXREC names no limit
_STATUS = re.compile(r"^HTTP \d+")
_SEPARATED = re.compile(r"(?<=\d)[,' ](?=\d{3}\b)")
_COUNT = re.compile(r"\b\d{1,9}\b")
_ROWS, _MOST = (
    r"\b(?:rows?|records?|results?|top)\b",
    r"\b(?:max\w*|limit\w*|exceed\w*|at most|up to|(?:more|less) than)\b",
)
_ABOUT_ROWS = re.compile(f"max_?rec|{_ROWS}.{{0,60}}?{_MOST}|{_MOST}.{{0,60}}?{_ROWS}", re.IGNORECASE)
_UNKNOWN = re.compile(r"unknown|unrecogni[sz]ed|unsupported|not (?:supported|known|recogni[sz]ed)", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"too many (?:rows|records|results|rec|spectra|matches|sources|objects|hits)"
    r"|(?:result|response|answer|output)\w* .{0,20}(?:too (?:large|big|long)|exceed)"
    r"|more than [\d,]+ (?:rows|records|results|spectra|matches)|\boverflow\b"
    r"|(?:narrow|restrict|refine) (?:your|the|down) ",
    re.IGNORECASE,
)
_TOO_SLOW = re.compile(r"time[ds]?[ -]?out|time limit|too long|cancel|exceed\w* .{0,30}(?:time|seconds)", re.IGNORECASE)
_TIMEOUTS = (408, 504, 524)
_POSITION_NEEDED = re.compile(
    r"\b(?:POS|position|coordinates?|RA|cone|SIZE)\b.{0,60}?(?:mandatory|required|missing|must|need|specif|provide)"
    r"|(?:mandatory|required|missing|must|need|specif|provide|no)\w*.{0,60}?\b(?:POS|position|coordinates?|SIZE)\b",
    re.IGNORECASE | re.DOTALL,
)
_NO_PLACE = (FailureKind.UNREACHABLE, FailureKind.TLS, FailureKind.TIMEOUT, FailureKind.BUSY)
_PAGE = re.compile(r"\bPOS\b")
_ABOUT_SIZE = re.compile(r"\b(?:SIZE|radius|SR|diameter|deg(?:rees?)?|arc ?min\w*|arc ?sec\w*)\b", re.IGNORECASE)
_USUAL_SIZES = (60.0, 30.0, 10.0, 5.0, 2.0)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DEGREES = ((re.compile(r"arc ?sec", re.IGNORECASE), 1 / 3600), (re.compile(r"arc ?min", re.IGNORECASE), 1 / 60))


def lower_limit(words: str, maxrec: int) -> int | None:
    """Return the number of rows to request where ``maxrec`` is refused.

    WITHOUT_MAXREC where none may be.

    It is the highest that the refusal names, else a usual one; None where it is about something else.
    """
    said = _SEPARATED.sub("", _STATUS.sub("", words))
    if maxrec == WITHOUT_MAXREC or not _ABOUT_ROWS.search(said):
        return None
    smaller = [number for number in map(int, _COUNT.findall(said)) if 1 < number < maxrec]
    if smaller:
        return max(smaller)
    if not re.search("max_?rec", said, re.IGNORECASE):
        return None
    if _UNKNOWN.search(said):
        return WITHOUT_MAXREC
    return next((fewer for fewer in _FEWER if fewer < maxrec), WITHOUT_MAXREC)


def is_too_much(words: str) -> bool:
    """Return whether a service says that there is more than it gives in one response."""
    return _TOO_MUCH.search(words) is not None


def is_too_slow(failure: Failure) -> bool:
    """Return whether a request took longer than the service allows; a smaller one may not."""
    return failure.kind is FailureKind.TIMEOUT or failure.status in _TIMEOUTS or says_too_slow(failure.detail)


def says_too_slow(words: str) -> bool:
    """Return whether a service's words are about its time limit."""
    return _TOO_SLOW.search(words) is not None


def demands_position(failure: Failure) -> bool:
    """Return whether a service gives nothing unless a position is requested."""
    if failure.kind in _NO_PLACE:
        return False
    if failure.kind is FailureKind.CONNECTION_LOST and not _PAGE.search(failure.detail):
        return False  # a page, which may be about anything
    return _POSITION_NEEDED.search(failure.detail) is not None


def smaller_sizes(failure: Failure, below: float) -> tuple[float, ...]:
    """Return the sizes in degrees to request instead of one that was refused.

    The largest that the refusal names, else usual ones.

    None where it is about something else than the size.
    """
    words = _STATUS.sub("", failure.detail)
    if not _ABOUT_SIZE.search(words):
        return ()
    unit = next((degrees for pattern, degrees in _DEGREES if pattern.search(words)), 1.0)
    sizes = [float(number) * unit for number in _NUMBER.findall(words)]
    named = max((size for size in sizes if 0 < size < below), default=0.0)
    return (named,) if named else _USUAL_SIZES
