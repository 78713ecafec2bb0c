"""Digest the content of a spectrum's file.

Cards that the server rewrites on every request are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .hdu import Hdu

# Checksums follow from the rest, and their comments carry the time they were made.
_NEVER = frozenset({b"CHECKSUM", b"DATASUM ", b" " * 8})
_NOT_IN_PRIMARY = _NEVER | {b"DATE    "}  # the day of the request; the table's own DATE is the data set's


def content_digest(raw: bytes, hdus: Iterable[Hdu]) -> str:
    """Return the SHA-256, in hex, of the cards and data that are content.

    Padding, checksums and the primary HDU's DATE are not.
    """
    digest = hashlib.sha256()
    view = memoryview(raw)
    for hdu in hdus:
        left_out = _NOT_IN_PRIMARY if hdu.kind == "PRIMARY" else _NEVER
        count, cards = hdu.header.without(left_out)
        # The lengths keep what is a card and what is data apart.
        digest.update(b"%d cards %d bytes\n" % (count, hdu.size))
        digest.update(cards)
        digest.update(view[hdu.start : hdu.start + hdu.size])
    return digest.hexdigest()
