"""Describe bytes that are not FITS, in words that are safe on a terminal."""

from __future__ import annotations

from ..formatting import first_words, plain_line

_ENOUGH = 4096  # bytes looked at: a server's message is at its beginning
_LONGEST_QUOTE = 160
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_MAGIC = (
    (b"\x1f\x8b", "gzip data that were not decompressed"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
)


def quote(raw: bytes) -> str:
    """Return the first words of ``raw``, in quotation marks."""
    return f'"{plain_line(raw[:_ENOUGH].decode("utf-8", "replace"), _LONGEST_QUOTE)}"'


def describe(raw: bytes) -> str:
    """Return what ``raw`` is, if not FITS, and its first words."""
    for magic, name in _MAGIC:
        if raw.startswith(magic):
            return name
    head = raw[:_ENOUGH]
    if len(head.translate(None, _TEXT)) * 4 > len(head):
        return f"binary data that begins with the bytes {head[:8].hex(' ')}"
    lowered = head.lower()
    if b"<votable" in lowered:
        return f"a VOTable: {_message(head)}"
    if b"<html" in lowered or b"<!doctype" in lowered:
        return f"an HTML page: {_message(head)}"
    if lowered.lstrip().startswith(b"<"):
        return f"a page of markup: {_message(head)}"
    return f"a text: {quote(head)}"


def _message(markup: bytes) -> str:
    return f'"{first_words(markup, _LONGEST_QUOTE)}"'


def describe_tail(tail: bytes) -> str:
    """Return what stands behind the end of a FITS file.

    That is its first words, and the last line of a traceback.
    """
    lines = tail[-_ENOUGH:].split(b"\n")
    last = next((line for line in reversed(lines) if line.strip()), b"")
    if not tail.strip(b"\0"):
        return "zeros"
    if b"XXXXXX Internal error" in tail:
        return f"the server's own error report, {quote(tail)}, whose last line is {quote(last)}"
    return describe(tail)
