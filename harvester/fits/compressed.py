"""Tile-compressed images (FITS 4.0, section 10).

Decompressed into plain ones, which are read as any other image.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..formatting import plural
from .errors import unreadable
from .hdu import BLOCK, Hdu
from .header import Header
from .header_layout import CARD
from .rice import RiceError, decode_rice
from .spectrum import Array
from .table import BinaryTable, binary_table, column_rows, column_values

MOST_PIXELS = 2**18  # a row of a quarter of a million pixels takes a third of a second
_ALGORITHMS = frozenset({"RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS"})
_STORED = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_OWN_CARDS = (
    "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "CHECKSUM", "DATASUM",
    "EXTEND",
)  # fmt: skip
_OWN_STEMS = (b"Z", b"TTYPE", b"TFORM", b"TUNIT", b"TDIM", b"TNULL", b"TSCAL", b"TZERO")


@dataclass(frozen=True, slots=True)
class _Compressed:
    """What the header says of the image and its tiles; lengths are NAXIS1 first."""

    header: Header
    algorithm: str
    bitpix: int
    shape: tuple[int, ...]
    tile: tuple[int, ...]

    @property
    def corners(self) -> Iterator[tuple[int, ...]]:
        """Where each tile begins, the first axis fastest."""
        counts = [-(-length // size) for length, size in zip(self.shape, self.tile, strict=True)]
        for index in np.ndindex(*counts[::-1]):
            yield tuple(number * size for number, size in zip(index[::-1], self.tile, strict=True))


def decompressed(raw: bytes, hdus: Sequence[Hdu]) -> bytes:
    """Return the same file with its compressed images as plain ones.

    InvalidSpectrumError if that fails.
    """
    parts: list[bytes] = []
    begin = 0
    for hdu in hdus:
        parts.append(_plain(raw, hdu) if hdu.is_compressed_image else raw[begin : hdu.end])
        begin = hdu.end
    return b"".join(parts)


def _plain(raw: bytes, hdu: Hdu) -> bytes:
    """Return an image HDU with the numbers and the cards of a compressed image."""
    image = _described(hdu.header)
    numbers = _numbers(raw, hdu, image)
    stored = numbers.astype(">i8" if image.bitpix > 0 else ">f8").tobytes()
    cards = [("XTENSION", "'IMAGE   '"), ("BITPIX", "64" if image.bitpix > 0 else "-64"), ("NAXIS", len(image.shape))]
    cards += [(f"NAXIS{n}", length) for n, length in enumerate(image.shape, 1)]
    own = "".join(f"{name:8}= {value!s:>20}".ljust(CARD) for name, value in [*cards, ("PCOUNT", 0), ("GCOUNT", 1)])
    header = own.encode() + _other_cards(hdu.header) + b"END".ljust(CARD)
    return _padded(header, b" ") + _padded(stored, b"\0")


def _padded(data: bytes, fill: bytes) -> bytes:
    return data + fill * (-len(data) % BLOCK)


def _other_cards(header: Header) -> bytes:
    left_out = {name.ljust(8).encode() for name in _OWN_CARDS}
    left_out |= {keyword for keyword in header.keywords if keyword.startswith(_OWN_STEMS)}
    return header.without(frozenset(left_out))[1]


def _described(header: Header) -> _Compressed:
    algorithm = header.text("ZCMPTYPE").strip()
    if algorithm not in _ALGORITHMS:
        raise unreadable(f"the image is compressed with ZCMPTYPE = {algorithm!r}; read are RICE_1, GZIP_1 and GZIP_2")
    bitpix = header.integer("ZBITPIX", -64, 64)
    axes = range(1, header.integer("ZNAXIS", 1, 3) + 1)
    shape = tuple(header.integer(f"ZNAXIS{n}", 1, MOST_PIXELS) for n in axes)
    tile = tuple(
        header.integer(f"ZTILE{n}", 1, MOST_PIXELS)
        if header.value(f"ZTILE{n}") is not None
        else (shape[0] if n == 1 else 1)
        for n in axes
    )
    if math.prod(shape) > MOST_PIXELS or bitpix not in _STORED:
        pixels = plural(math.prod(shape), "pixel")
        raise unreadable(f"the compressed image has {pixels}; at most {plural(MOST_PIXELS, 'pixel')} are read")
    return _Compressed(header, algorithm, bitpix, shape, tile)


def _numbers(raw: bytes, hdu: Hdu, image: _Compressed) -> Array:
    """Return the image's numbers, shape as numpy has it: the last axis is NAXIS1."""
    table = binary_table(hdu.header.structure)
    columns = {column.name: column for column in table.columns}
    data = columns.get("compressed_data")
    if data is None or data.element != "B":
        raise unreadable("the compressed image has no column COMPRESSED_DATA of bytes")
    corners = list(image.corners)
    if table.rows != len(corners):
        raise unreadable(f"the compressed image has {plural(table.rows, 'tile')}, its header declares {len(corners)}")
    tiles = column_rows(raw, hdu, table, data)
    unquantized = _unquantized(raw, hdu, table)
    scales = _scales(raw, hdu, table, image)
    numbers = np.empty(image.shape[::-1], np.float64)
    for row, corner in enumerate(corners):
        ends = [min(at + size, length) for at, size, length in zip(corner, image.tile, image.shape, strict=True)]
        place = tuple(slice(at, end) for at, end in zip(corner, ends, strict=True))[::-1]
        count = math.prod(end - at for at, end in zip(corner, ends, strict=True))
        if not tiles[row].size and unquantized:
            values = _tile(_bytes(unquantized[row]), count, replace(image, algorithm="GZIP_1"), quantized=False)
            numbers[place] = values.reshape(numbers[place].shape)
            continue
        values = _tile(_bytes(tiles[row]), count, image, quantized=scales is not None)
        if scales is not None:
            values = np.where(values == scales.blank, np.nan, values * scales.scale[row] + scales.zero[row])
        numbers[place] = values.reshape(numbers[place].shape)
    return numbers


def _unquantized(raw: bytes, hdu: Hdu, table: BinaryTable) -> Sequence[Array]:
    """Return the gzip data of tiles that could not be quantized (section 10.1.3).

    None if there is no such column.
    """
    column = next((column for column in table.columns if column.name == "gzip_compressed_data"), None)
    return [] if column is None or column.element != "B" else column_rows(raw, hdu, table, column)


def _bytes(numbers: Array) -> bytes:
    return numbers.astype(np.uint8).tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class _Scales:
    """How the integers of each tile of a quantized image become real numbers."""

    scale: Array
    zero: Array
    blank: float


def _scales(raw: bytes, hdu: Hdu, table: BinaryTable, image: _Compressed) -> _Scales | None:
    columns = {column.name: column for column in table.columns}
    if image.bitpix > 0 or "zscale" not in columns or "zzero" not in columns:
        return None
    method = image.header.text("ZQUANTIZ").strip() or "NO_DITHER"
    if method not in ("NO_DITHER", "NONE"):
        raise unreadable(f"the compressed image is dithered (ZQUANTIZ = {method!r}); that is not undone here")
    blank = image.header.real("ZBLANK")
    scale, zero = (column_values(raw, hdu, table, columns[name]) for name in ("zscale", "zzero"))
    return _Scales(scale, zero, math.nan if blank is None else blank)


def _tile(data: bytes, count: int, image: _Compressed, quantized: bool) -> Array:
    """Return the ``count`` numbers of one tile."""
    bitpix = 32 if quantized else image.bitpix
    kind = np.dtype(_STORED[bitpix])
    try:
        if image.algorithm.startswith("RICE"):
            return _rice(data, count, image, bitpix).astype(np.float64)
        content = data if image.algorithm == "NOCOMPRESS" else _inflated(data, count * kind.itemsize)
    except RiceError as error:
        raise unreadable(f"a tile of the compressed image is damaged: {error}") from None
    if len(content) != count * kind.itemsize:
        size = plural(len(content), "byte")
        raise unreadable(f"a tile of the compressed image has {size} for {plural(count, 'pixel')}")
    if image.algorithm == "GZIP_2":  # the first bytes of all numbers, then the second ones ...
        content = np.frombuffer(content, np.uint8).reshape(kind.itemsize, count).T.tobytes()
    with np.errstate(all="ignore"):
        return np.frombuffer(content, kind).astype(np.float64)


def _rice(data: bytes, count: int, image: _Compressed, bitpix: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    if bitpix not in (8, 16, 32):
        raise unreadable(f"numbers of {bitpix} bits are not Rice-compressed")
    options = {str(image.header.get(f"ZNAME{n}", "")).strip(): image.header.get(f"ZVAL{n}") for n in range(1, 5)}
    block, size = options.get("BLOCKSIZE", 32), options.get("BYTEPIX", 4)
    if not isinstance(block, int) or not isinstance(size, int):
        raise unreadable("the Rice-compressed image has no whole BLOCKSIZE or BYTEPIX")
    return decode_rice(data, count, size, block)


def _inflated(data: bytes, size: int) -> bytes:
    inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, as the header of the data says
    try:
        return inflate.decompress(data, size + 1)
    except zlib.error as error:
        raise unreadable(f"a tile of the compressed image is damaged: {error}") from None
