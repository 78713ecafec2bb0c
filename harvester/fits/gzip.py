"""Decompress the ``.fits.gz`` files that archives keep, with a limit.

They are verified afterwards, as any other file.
"""

from __future__ import annotations

import zlib

from ..formatting import count, plural
from ..model.failures import FailureKind

GZIP = b"\x1f\x8b"
PIECE = 64 * 1024  # bytes that zlib is given at once: what stands behind a member's end it copies
MOST_MEMBERS = 1000  # of one file; a block gzip (BGZF) of a spectrum has a few hundred at most


class GzipError(ValueError):
    """A gzip file that is not whole; ``kind`` says how, the message is a clause for people."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def decompress(body: bytes, most: int) -> bytes:
    """Return the content of a gzip file, of all its members (RFC 1952).

    Raise GzipError for more than ``most`` bytes, and for what is no gzip file.
    """
    content = bytearray()
    whole, at, members = memoryview(body), 0, 0
    while body.startswith(GZIP, at):
        if members == MOST_MEMBERS:
            raise GzipError(FailureKind.MALFORMED_FITS, f"the gzip file has more than {count(MOST_MEMBERS)} members")
        at = _member(whole, at, content, most)
        members += 1
    if body[at:].strip(b"\0"):
        behind = len(body) - at
        raise GzipError(
            FailureKind.TRAILING_BYTES,
            f"{plural(behind, 'byte stands', 'bytes stand')} behind the end of the gzip file",
        )
    return bytes(content)


def _member(body: memoryview, at: int, content: bytearray, most: int) -> int:
    """Append the member that begins ``at`` to ``content``; return where it ends."""
    inflate = zlib.decompressobj(wbits=31)
    while not inflate.eof:
        piece = body[at : at + PIECE]
        if not piece:
            size = plural(len(body), "byte")
            raise GzipError(FailureKind.TRUNCATED, f"the gzip file ends after {size}, before its end")
        try:
            content += inflate.decompress(piece, most + 1 - len(content))
        except zlib.error as error:
            raise GzipError(FailureKind.MALFORMED_FITS, f"the gzip file is damaged ({error})") from None
        if len(content) > most:
            raise GzipError(FailureKind.TOO_LARGE, f"the gzip file holds more than {count(most)} bytes")
        at += len(piece)
    return at - len(inflate.unused_data)
