"""Header and data units.

A file is whole FITS blocks from the first byte to the last: nothing is missing and nothing is behind. The sizes that
headers declare are only ever compared with the bytes that are there: nothing is allocated by them. A strict reading
refuses whatever FITS does not allow; a tolerant one notes what neither size nor data depend on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..formatting import are, count, plural
from ..model.failures import FailureKind
from ..model.outcomes import Check
from .describe import describe, describe_tail, quote
from .errors import InvalidSpectrumError, malformed
from .gzip import GZIP, GzipError, decompress
from .header import Header
from .header_layout import bounded_cache

BLOCK = 2880
LONGEST_HEADER = 512 * BLOCK  # 18,432 cards; instruments with many orders write 6,000 and more
LARGEST_UNPACKED = 2**26
MOST_HDUS = 192
COMPRESSED = "compressed image"  # the kind of binary tables that hold one (FITS 4.0, section 10.1)
LARGEST_DATA = 2**40  # a terabyte; what is declared above it is nonsense rather than missing

_BEGINNING, _EXTENSION = b"SIMPLE  =", b"XTENSION="
_END = b"END" + b" " * 77
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
_DACHS_TRACEBACK = b"XXXXXX Internal error"


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header and where its data are: ``size`` bytes from ``start`` on, without padding.

    oddities: sentences on what is not as FITS demands, though neither size nor data depend on it.
    """

    header: Header
    kind: str
    start: int
    size: int
    oddities: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """Where the next HDU begins."""
        return self.start + -(-self.size // BLOCK) * BLOCK

    @property
    def name(self) -> str:
        """Its EXTNAME, '' where it has none."""
        return str(self.header.get("EXTNAME", "")).strip()

    @property
    def is_table(self) -> bool:
        """Whether it holds rows with fields, binary or ASCII, and no compressed image."""
        return self.kind in ("BINTABLE", "TABLE")

    @property
    def is_compressed_image(self) -> bool:
        """Whether it holds a tile-compressed image."""
        return self.kind == COMPRESSED

    @property
    def is_image(self) -> bool:
        """Whether it holds an image that is not compressed."""
        return self.kind in ("PRIMARY", "IMAGE")


def read_hdus(body: bytes, strict: bool = True) -> list[Hdu]:
    """Return every HDU of a FITS file that is exactly whole.

    InvalidSpectrumError for anything else.
    """
    _refuse_other_formats(body)
    hdus = [_hdu(body, 0, strict)]
    while (position := hdus[-1].end) < len(body):
        if not _EXTENSION.startswith(body[position : position + len(_EXTENSION)]):
            tail = body[position:]
            excess = plural(len(tail), "byte stands", "bytes stand")
            detail = f"{excess} behind the end of the FITS file: {describe_tail(tail)}"
            raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.TRAILING_BYTES, detail)
        if len(hdus) == MOST_HDUS:
            raise malformed(f"the file has more than {MOST_HDUS} HDUs")
        hdus.append(_hdu(body, position, strict))
    if len(hdus) == 1 and hdus[0].size == 0:
        raise _truncated(body, "behind the empty primary HDU, where the table should follow")
    return hdus


def _refuse_other_formats(body: bytes) -> None:
    if not body:
        raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.EMPTY, "the response has no bytes")
    if _BEGINNING.startswith(body[: len(_BEGINNING)]):
        return
    if body.startswith(GZIP):
        _refuse_gzip(body)
    detail = f"the response is not a FITS file but {describe(body)}"
    raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.NOT_FITS, detail)


def _refuse_gzip(body: bytes) -> None:
    """Raise for what is wrong with a gzip file: a sound one has been decompressed before."""
    try:
        decompress(body, LARGEST_UNPACKED)
    except GzipError as error:
        raise InvalidSpectrumError(Check.STRUCTURE, error.kind, str(error)) from None


def _hdu(body: bytes, position: int, strict: bool) -> Hdu:
    end = _end_card(body, position, strict)
    start = position + -(-(end + 80 - position) // BLOCK) * BLOCK
    oddities: tuple[str, ...] = ()
    padding = body[end + 80 : start]
    if padding != b" " * len(padding):
        oddities = _odd_padding(padding, "zeros", strict, "the header is not padded with blanks")
    header = Header(body[position:end])
    if strict and header.oddities:
        raise malformed(header.oddities[0])
    kind, size = _extent(header.structure, position == 0)
    data_end = start + -(-size // BLOCK) * BLOCK
    if data_end > len(body):
        rest = ", in the padding of the last block: all data are there" if start + size <= len(body) else ""
        raise _truncated(body, f"of {count(data_end)} that its headers declare{rest}")
    padding = body[start + size : data_end]
    if padding != (b" " if kind == "TABLE" else b"\0") * len(padding):
        detail = "the data are not padded as FITS demands: the table's size and its data disagree"
        oddities += _odd_padding(padding, "zeros" if kind == "TABLE" else "blanks", strict, detail)
    return Hdu(header, kind, start, size, header.oddities + oddities)


def _odd_padding(padding: bytes, found: str, strict: bool, detail: str) -> tuple[str, ...]:
    """Return what is odd about padding.

    ``found`` in place of zeros or blanks is harmless, other bytes are not.
    """
    if strict or (padding.strip(b" ") and padding.strip(b"\0")):
        raise malformed(detail)
    return (f"{plural(len(padding), 'byte')} of padding {are(len(padding))} {found}",)


def _end_card(body: bytes, position: int, strict: bool) -> int:
    """Return where the END card of the header at ``position`` begins; its block is whole."""
    limit = position + LONGEST_HEADER
    end = body.find(_END, position, limit)
    while end > 0 and (end - position) % 80:
        # Words of a value or a comment that look like an END card: go on where the next card begins.
        end = body.find(_END, end + 80 - (end - position) % 80, limit)
    if end < 0:
        raise _headless(body, position, strict)
    if position + -(-(end + 80 - position) // BLOCK) * BLOCK > len(body):
        raise _truncated(body, "in the padding of a header")
    return end


def _headless(body: bytes, position: int, strict: bool) -> InvalidSpectrumError:
    seen = body[position : position + LONGEST_HEADER]
    if len(seen) == LONGEST_HEADER:
        return malformed(f"a header has no END card in its first {count(LONGEST_HEADER)} bytes")
    if _DACHS_TRACEBACK not in seen:
        header = Header(seen[: len(seen) // 80 * 80])  # raises for what is no header: the rest is one that broke off
        if strict and header.oddities:
            return malformed(header.oddities[0])
    return _truncated(body, "before the END card of a header")


def _truncated(body: bytes, where: str) -> InvalidSpectrumError:
    position = body.rfind(_DACHS_TRACEBACK)
    report = f"; the server's own error report stands at its end, {quote(body[position:])}" if position >= 0 else ""
    detail = f"the FITS file ends after {plural(len(body), 'byte')}, {where}{report}"
    return InvalidSpectrumError(Check.STRUCTURE, FailureKind.TRUNCATED, detail)


@bounded_cache  # spectra with as many points have the same
def _extent(structure: bytes, primary: bool) -> tuple[str, int]:
    """Return the kind of an HDU and the bytes of its data, by its structural cards."""
    header = Header(structure)
    return _kind(header, primary), _data_size(header)


def _kind(header: Header, primary: bool) -> str:
    if not primary:
        kind = header.text("XTENSION")
        return COMPRESSED if kind == "BINTABLE" and header.value("ZIMAGE") is True else kind
    if header.value("SIMPLE") is not True:
        raise malformed("the file does not conform to FITS: its first card is not SIMPLE = T")
    header.value("EXTEND")  # what follows is read anyway, but the card must be one
    if header.value("GROUPS") is True:
        raise malformed("the primary HDU holds random groups, which no spectrum is stored in")
    return "PRIMARY"


def _data_size(header: Header) -> int:
    bitpix = header.integer("BITPIX", -64, 64)
    if bitpix not in _BITPIX:
        raise malformed(f"the header says BITPIX = {bitpix}, which FITS does not know")
    axes = header.integer("NAXIS", 0, 999)
    lengths = [header.integer(f"NAXIS{n}", 0, LARGEST_DATA) for n in range(1, axes + 1)]
    size = abs(bitpix) // 8 if lengths else 0
    if 0 in lengths:
        size = 0
    for length in lengths:
        size *= length
        if size > LARGEST_DATA:
            raise malformed(f"the header declares more than {count(LARGEST_DATA)} bytes of data")
    if header.value("XTENSION") is None:
        return size
    groups, heap = header.integer("GCOUNT", 1, 1), header.integer("PCOUNT", 0, LARGEST_DATA)
    return groups * (size + abs(bitpix) // 8 * heap)
