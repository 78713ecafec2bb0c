"""A server's or a catalogue's words, made fit to be shown: legible, one line, short, and harmless in a terminal."""

from __future__ import annotations

import html
import re
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
