"""Files that archives keep packed: a ``.fits.gz`` becomes FITS before anybody judges it."""

from __future__ import annotations

import zlib

from .failures import FailureKind

GZIP = b"\x1f\x8b"


class PackingError(ValueError):
    """A gzip file that is not whole; ``kind`` says how, the message is a clause for people."""

    def __init__(self, kind: FailureKind, words: str) -> None:
        super().__init__(words)
        self.kind = kind


def unpacked(body: bytes, most: int) -> bytes:
    """The content of a gzip file, of all its members (RFC 1952); at most ``most`` bytes. PackingError."""
    content = bytearray()
    rest = body
    while rest.startswith(GZIP):
        inflate = zlib.decompressobj(wbits=31)
        try:
            content += inflate.decompress(rest, most + 1 - len(content))
        except zlib.error as error:
            raise PackingError(FailureKind.MALFORMED_FITS, f"the gzip file is damaged ({error})") from None
        if len(content) > most:
            raise PackingError(FailureKind.TOO_LARGE, f"the gzip file holds more than {most:,} bytes")
        if not inflate.eof:
            raise PackingError(FailureKind.TRUNCATED, f"the gzip file ends after {len(body):,} bytes, before its end")
        rest = inflate.unused_data
    if rest.strip(b"\0"):
        raise PackingError(FailureKind.TRAILING_BYTES, f"{len(rest):,} bytes stand behind the end of the gzip file")
    return bytes(content)
