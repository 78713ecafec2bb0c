"""A server's or a catalog's words, made fit to be shown: legible, one line, short, and harmless in a terminal."""

from __future__ import annotations

import html
import math
import re
import time
import unicodedata

# What is never closed ends with the text: a search that failed and began anew at every "<" took seconds for 64 kB.
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
_TYPICAL = 64 * 1024  # what an error page says, it says early


def first_words(body: bytes | bytearray | memoryview, most: int = 200) -> str:
    """What a text, HTML or XML body says, in at most ``most`` printable characters; empty if it says nothing."""
    text = bytes(body[:_TYPICAL]).decode("utf-8", "replace")
    title = _TITLE.search(text)
    spoken = _TAG.sub(" ", _HIDDEN.sub(" ", text)) if "<" in text else text
    words = plain_line(html.unescape(spoken), 3 * most)
    words = plain_line(_said_once(words) if "<" in text else words, most)
    return words or (plain_line(html.unescape(title[1]), most) if title else "")


def _said_once(line: str) -> str:
    """A page's title is its heading too: a phrase that is repeated at once, at the beginning, is said once."""
    words = line.split(" ")
    bare = [word.rstrip(".:!-").casefold() for word in words]
    for length in range(len(words) // 2, 0, -1):
        if bare[:length] == bare[length : 2 * length] and any(bare[:length]):
            return " ".join(words[length:])
    return line


def plain_line(text: str, most: int = 200) -> str:
    """``text`` as one line of at most ``most`` visible characters and single blanks.

    Unicode's category C has controls, bidirectional overrides and surrogates; Z has line and paragraph separators.
    """
    if len(text) <= min(most, _TYPICAL) and text.isascii() and text.isprintable():  # nearly all are
        return " ".join(text.split())
    short = _ESCAPES.sub(" ", text[:_TYPICAL])
    line = " ".join("".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in short).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def speakable(text: str, encoding: str | None) -> str:
    """``text`` with question marks for what ``encoding`` cannot say."""
    name = encoding or "ascii"
    return text.encode(name, "replace").decode(name, "replace")


def masked(address: str) -> str:
    """A URL whose path is as good as a password, up to its host; so that nobody takes it for the whole, with stars."""
    scheme, separator, rest = address.rpartition("://")
    host = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}{separator}{host}/***"


UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


DAY = 86_400


FARTHEST = 4_102_444_800.0  # the year 2100: beyond it a time of day says nothing


LONGEST = 1000 * DAY


def count(number: int) -> str:
    """``13334`` is ``13 334``."""
    return f"{number:,}".replace(",", " ")


def plural(number: int, noun: str, nouns: str = "") -> str:
    """``1 retry``, ``2 retries``."""
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def size(number: float) -> str:
    """Decimal units and three digits at most: ``163 MB``, ``1.2 GB``."""
    power = 0
    while number >= 999.5 and power < len(UNITS) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.1f} {UNITS[power]}" if number < 9.95 and power else f"{number:.0f} {UNITS[power]}"


def clock(seconds: float) -> str:
    """A duration that keeps its width while it counts: ``01:12:44``, ``3 d 04:05:06``."""
    if not 0 <= seconds < LONGEST:
        return "--:--:--"
    days, rest = divmod(round(seconds), DAY)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return (f"{days} d " if days else "") + f"{hour:02}:{minute:02}:{second:02}"


def duration(seconds: float) -> str:
    """A duration in words: ``0.71 s``, ``12 s``, ``2 min``, ``1 h 54 min``, ``2 d 3 h``."""
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


def time_of_day(moment: float) -> str:
    """``22:41:09``, local time."""
    if not 0 <= moment < FARTHEST:
        return "--:--:--"
    return time.strftime("%H:%M:%S", time.localtime(moment))


def wall(moment: float, now: float) -> str:
    """When something will be, without seconds: ``23:24``, ``Tue 23:24``, ``12 Dec``."""
    if not 0 <= moment < FARTHEST:
        return "--:--"
    near, week = moment - now < DAY / 2, moment - now < 6 * DAY
    return time.strftime("%H:%M" if near else "%a %H:%M" if week else "%d %b", time.localtime(moment))


def percent(part: int, whole: int) -> str:
    """Rounded down: 100 % is said only when nothing is left."""
    return f"{100 * part // whole if whole else 100} %"
