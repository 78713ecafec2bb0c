"""Tile-compressed images (FITS 4.0, section 10): decompressed by astropy, then read as any other image."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

from .errors import unreadable
from .hdu import Hdu
from .image import MOST_PIXELS

_ALGORITHMS = frozenset({"RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS"})


def decompressed(raw: bytes, hdus: Sequence[Hdu]) -> bytes:
    """Return the same file with its compressed images as plain ones; InvalidSpectrumError if that fails."""
    for hdu in hdus:
        if hdu.is_compressed_image:
            _check(hdu)
    from astropy.io import fits  # slow to import, and few files need it

    written = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd cards, which the caller's own reading notes
            with fits.open(io.BytesIO(raw), memmap=False) as opened:
                fits.HDUList([_plain(hdu) for hdu in opened]).writeto(written, output_verify="ignore")
    except (ValueError, TypeError, KeyError, IndexError, OSError, OverflowError, RuntimeError, MemoryError) as error:
        raise unreadable(f"the compressed image cannot be decompressed: {type(error).__name__}: {error}") from None
    return written.getvalue()


def _check(hdu: Hdu) -> None:
    algorithm = hdu.header.text("ZCMPTYPE")
    if algorithm not in _ALGORITHMS:
        raise unreadable(f"the image is compressed with ZCMPTYPE = {algorithm!r}; read are RICE_1, GZIP_1 and GZIP_2")
    axes = hdu.header.integer("ZNAXIS", 1, 3)
    lengths = [hdu.header.integer(f"ZNAXIS{n}", 1, MOST_PIXELS) for n in range(1, axes + 1)]
    tiles = [hdu.header.value(f"ZTILE{n}") for n in range(1, axes + 1)]
    if math.prod(lengths) > MOST_PIXELS:
        raise unreadable(f"the compressed image has {math.prod(lengths):,} pixels; at most {MOST_PIXELS:,} are read")
    if any(isinstance(tile, int) and not 0 < tile <= MOST_PIXELS for tile in tiles):
        raise unreadable(f"the compressed image has tiles of {tiles} pixels")


def _plain(hdu: Any) -> Any:
    from astropy.io import fits

    if not isinstance(hdu, fits.CompImageHDU):
        return hdu
    for name in ("CHECKSUM", "DATASUM"):
        hdu.header.remove(name, ignore_missing=True)
    return fits.ImageHDU(hdu.data, hdu.header)
