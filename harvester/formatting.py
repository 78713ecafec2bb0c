"""Text, numbers and times as people read them.

Text of a server or a catalog becomes one short line that is harmless in a terminal. Numbers are plain ASCII, so that
every terminal and every log can show them.
"""

from __future__ import annotations

import html
import math
import re
import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

# An element that is never closed ends with the text: a search that restarted at every "<" took seconds for 64 kB.
_HIDDEN = re.compile(
    r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<head\b.*?(?:</head\s*>|(?=<body\b)|\Z)|<!--.*?(?:-->|\Z)"
)
_TAG = re.compile(r"<[^<>]*>")
_TITLE = re.compile(r"(?i)<title[^<>]*>([^<]*)</title")
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: window titles, links, the clipboard
    r"|[\x1bP\x9b]?(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours and cursor movements
    r"|\x1b[ -/]*[0-~]?"  # everything shorter
)
_BEGINNING = 64 * 1024  # characters; an error page has its message there

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
DAY = 86_400  # seconds
FARTHEST = 4_102_444_800.0  # the year 2100, in seconds since 1970: later times mean "unknown"
LONGEST = 1000 * DAY


def first_words(body: bytes | bytearray | memoryview, most: int = 200) -> str:
    """Return the message of a text, HTML or XML body as one line; it may be empty.

    It has at most ``most`` characters, all of them printable.
    """
    text = bytes(body[:_BEGINNING]).decode("utf-8", "replace")
    title = _TITLE.search(text)
    visible = _TAG.sub(" ", _HIDDEN.sub(" ", text)) if "<" in text else text
    line = plain_line(html.unescape(visible), 3 * most)
    line = plain_line(_without_repetition(line) if "<" in text else line, most)
    return line or (plain_line(html.unescape(title[1]), most) if title else "")


def _without_repetition(line: str) -> str:
    """Drop a phrase at the beginning that is repeated at once.

    A page's title is often its heading too.
    """
    words = line.split(" ")
    bare = [word.rstrip(".:!-").casefold() for word in words]
    for length in range(len(words) // 2, 0, -1):
        if bare[:length] == bare[length : 2 * length] and any(bare[:length]):
            return " ".join(words[length:])
    return line


def plain_line(text: str, most: int = 200) -> str:
    """Return ``text`` as one line of at most ``most`` visible characters and single blanks.

    Unicode's category C has controls, bidirectional overrides and surrogates; Z has line and paragraph separators.
    """
    if len(text) <= min(most, _BEGINNING) and text.isascii() and text.isprintable():  # nearly all are
        return " ".join(text.split())
    short = _ESCAPES.sub(" ", text[:_BEGINNING])
    line = " ".join("".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in short).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def encodable(text: str, encoding: str | None) -> str:
    """Return ``text`` with question marks for the characters that ``encoding`` does not have."""
    name = encoding or "ascii"
    return text.encode(name, "replace").decode(name, "replace")


def masked(address: str) -> str:
    """Return a URL whose path is a secret, up to its host; stars stand for the rest."""
    scheme, separator, rest = address.rpartition("://")
    host = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}{separator}{host}/***"


def count(number: int) -> str:
    """Return ``13334`` as ``13 334``."""
    return f"{number:,}".replace(",", " ")


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Return a number and its noun: ``1 retry``, ``2 retries``."""
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def are(number: int) -> str:
    """Return the verb for ``number`` things: ``is`` or ``are``."""
    return "is" if number == 1 else "are"


def size(number: float) -> str:
    """Return bytes in decimal units, with three digits at most: ``163 MB``, ``1.2 GB``."""
    power = 0
    while number >= 999.5 and power < len(UNITS) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.1f} {UNITS[power]}" if number < 9.95 and power else f"{number:.0f} {UNITS[power]}"


def clock(seconds: float) -> str:
    """Return a duration that keeps its width while it counts: ``01:12:44``, ``3 d 04:05:06``."""
    if not 0 <= seconds < LONGEST:
        return "--:--:--"
    days, rest = divmod(round(seconds), DAY)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return (f"{days} d " if days else "") + f"{hour:02}:{minute:02}:{second:02}"


def duration(seconds: float) -> str:
    """Return a duration with its units: ``0.71 s``, ``2 min``, ``1 h 54 min``, ``2 d 3 h``."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 9.995:
        return f"{seconds:.2g} s" if seconds < 0.1 else f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    for limit, large, small in ((3600, (60, "min"), (1, "s")), (2 * DAY, (3600, "h"), (60, "min"))):
        if whole < limit:
            return _two_units(whole, large, small)
    return _two_units(whole, (DAY, "d"), (3600, "h"))


def _two_units(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    many, rest = divmod(seconds, large[0])
    few = rest // small[0]
    return f"{many} {large[1]}" + (f" {few} {small[1]}" if few else "")


def iso_utc(seconds: float, timespec: str = "seconds") -> str:
    """Return seconds since 1970 as a UTC time stamp of ISO 8601: ``2026-11-22T21:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def time_of_day(moment: float) -> str:
    """Return a time in seconds since 1970 as ``22:41:09``, local time."""
    if not 0 <= moment < FARTHEST:
        return "--:--:--"
    return time.strftime("%H:%M:%S", time.localtime(moment))


def local_time(moment: float, reference: float) -> str:
    """Return a time in seconds since 1970 as ``22:41:09``, local time.

    The date stands before it if it is not that of ``reference``: ``2026-11-23 00:12:00``.
    """
    if not (0 <= moment < FARTHEST and 0 <= reference < FARTHEST):
        return "--:--:--"
    then, here = time.localtime(moment), time.localtime(reference)
    return time.strftime("%H:%M:%S" if then[:3] == here[:3] else "%Y-%m-%d %H:%M:%S", then)


def wall(moment: float, now: float) -> str:
    """Return a future time without seconds, local time: ``23:24``, ``Tue 23:24``, ``12 Dec``."""
    if not 0 <= moment < FARTHEST:
        return "--:--"
    near, week = moment - now < DAY / 2, moment - now < 6 * DAY
    return time.strftime("%H:%M" if near else "%a %H:%M" if week else "%d %b", time.localtime(moment))


def percent(part: int, whole: int) -> str:
    """Return a share in per cent, rounded down: it is 100 % only when nothing is left."""
    return f"{100 * part // whole if whole else 100} %"


def html_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [_html_row("th", head), *(_html_row("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _html_row(tag: str, cells: Sequence[object]) -> str:
    """Return a row whose cells are left-aligned one by one: notebooks align them to the right."""
    return "<tr>" + "".join(f'<{tag} style="text-align: left">{_html(cell)}</{tag}>' for cell in cells) + "</tr>"


def _html(value: object) -> str:
    return html.escape(str(value))
