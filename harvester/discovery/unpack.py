"""Unpack documents as they come, whether a header says that they are packed or not.

Services pack although ``identity`` was requested, leave the header out, send one where nothing is packed, pack twice,
or append one gzip file to another (RFC 1952, section 2.2).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ..fits.gzip import GZIP

_PIECE = 1 << 20  # bytes of what is unpacked at a time
_MOST_LAYERS = 3
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15  # what zlib calls the three formats


class DamagedPackingError(Exception):
    """What is packed is damaged; the message is a clause."""


class Unpacker:
    """Take a body in pieces and return it unpacked.

    DamagedPackingError where that is not possible.
    """

    def __init__(self, encoding: str = "", layers: int = _MOST_LAYERS) -> None:
        self._encoding = encoding.strip().lower()
        self._layers = layers
        self._opening = b""
        self._is_decided = False
        self._inflate: zlib._Decompress | None = None
        self._format = _GZIP
        self._inner: Unpacker | None = None
        self._is_between = False  # behind one gzip file: another may follow

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what ``piece`` completed."""
        if not self._is_decided or self._is_between:
            self._opening += piece
            if len(self._opening) < len(GZIP):
                return
            piece, self._opening = self._opening, b""
            self._decide(piece)
        if self._inner is None:
            yield piece
        elif self._inflate is not None:
            yield from self._unpacked(piece)

    def close(self) -> Iterator[bytes]:
        """Yield what is left of a body shorter than a header.

        DamagedPackingError if it ends too early.
        """
        if self._inflate is not None and not self._is_between:
            raise DamagedPackingError("ends too early")
        if not self._is_decided and self._opening:
            yield self._opening
        if self._inner is not None:
            yield from self._inner.close()

    def _decide(self, piece: bytes) -> None:
        """Find out whether what begins with ``piece`` is packed, and how."""
        found = self._format_of(piece)
        if self._is_between:
            self._is_between = False
            self._inflate = zlib.decompressobj(_GZIP) if found == _GZIP else None  # anything else is padding
            return
        self._is_decided = True
        if found is not None and self._layers:
            self._format = found
            self._inflate = zlib.decompressobj(found)
            self._inner = Unpacker("", self._layers - 1)

    def _format_of(self, piece: bytes) -> int | None:
        if piece.startswith(GZIP):
            return _GZIP
        if self._encoding != "deflate" or piece.lstrip()[:1] == b"<":
            return None
        return _ZLIB if piece[0] & 15 == 8 and int.from_bytes(piece[:2], "big") % 31 == 0 else _DEFLATE

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        inner = self._inner
        while piece and inner is not None and self._inflate is not None:
            try:
                yield from inner.feed(self._inflate.decompress(piece, _PIECE))
            except zlib.error as error:
                raise DamagedPackingError(f"is damaged: {error}") from None
            if not self._inflate.eof:
                piece = self._inflate.unconsumed_tail
                continue
            piece, self._is_between = self._inflate.unused_data, self._format == _GZIP
            if self._is_between:
                self._opening, piece = piece, b""
                if len(self._opening) >= len(GZIP):
                    piece, self._opening = self._opening, b""
                    self._decide(piece)
            else:
                self._inflate = None
