"""What came in place of FITS, in words that are safe on a terminal."""

from __future__ import annotations

import html
import re

_ENOUGH = 4096  # bytes looked at: a server's message is at its beginning
_LONGEST_QUOTE = 160
_UNSEEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>?")
_NOT_PRINTABLE = re.compile(r"[^ -~]+")
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_MAGIC = (
    (b"\x1f\x8b", "gzip data that nobody unpacked"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
)


def quote(raw: bytes) -> str:
    """The words of ``raw`` in quotation marks: printable ASCII on one line, and not many."""
    text = " ".join(_NOT_PRINTABLE.sub(" ", raw[:_ENOUGH].decode("utf-8", "replace")).split())
    return f'"{text}"' if len(text) <= _LONGEST_QUOTE else f'"{text[:_LONGEST_QUOTE].rstrip()}..."'


def describe(raw: bytes) -> str:
    """What ``raw`` is, if not FITS, and its first words."""
    for magic, name in _MAGIC:
        if raw.startswith(magic):
            return name
    head = raw[:_ENOUGH]
    if len(head.translate(None, _TEXT)) * 4 > len(head):
        return f"binary data that begins with the bytes {head[:8].hex(' ')}"
    lowered = head.lower()
    if b"<votable" in lowered:
        return f"a VOTable: {quote(_without_tags(head))}"
    if b"<html" in lowered or b"<!doctype" in lowered:
        return f"an HTML page: {quote(_without_tags(head))}"
    if lowered.lstrip().startswith(b"<"):
        return f"a page of markup: {quote(_without_tags(head))}"
    return f"a text: {quote(head)}"


def _without_tags(markup: bytes) -> bytes:
    seen = _UNSEEN.sub(" ", markup.decode("utf-8", "replace"))
    return html.unescape(_TAG.sub(" ", seen)).encode("utf-8", "replace")


def describe_tail(tail: bytes) -> str:
    """What stands behind the end of a FITS file: first words, and the last line where a traceback tells its error."""
    lines = tail[-_ENOUGH:].split(b"\n")
    last = next((line for line in reversed(lines) if line.strip()), b"")
    if not tail.strip(b"\0"):
        return "zeros"
    if b"XXXXXX Internal error" in tail:
        return f"the server's own error report, {quote(tail)}, whose last line is {quote(last)}"
    return describe(tail)
