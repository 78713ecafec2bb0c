"""A server's own words, made fit to be shown: legible, one line, short, and harmless in a terminal."""

from __future__ import annotations

import html
import re

_HIDDEN = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<\?.*?\?>")
_TAG = re.compile(r"(?s)<[^>]*>")
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")
_TYPICAL = 64 * 1024  # what an error page says, it says early


def first_words(body: bytes | bytearray | memoryview, most: int = 200) -> str:
    """What a text, HTML or XML body says, in at most ``most`` printable characters; empty if it says nothing."""
    text = bytes(body[:_TYPICAL]).decode("utf-8", "replace")
    title = _TITLE.search(text)
    spoken = _TAG.sub(" ", _HIDDEN.sub(" ", text)) if "<" in text else text
    words = plain_line(html.unescape(spoken), most)
    return words or (plain_line(html.unescape(title[1]), most) if title else "")


def plain_line(text: str, most: int = 200) -> str:
    """``text`` as one line of printable characters: no control or escape sequences, no runs of blanks."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
