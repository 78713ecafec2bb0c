"""The structure gate: whole FITS blocks from the first byte to the last, nothing missing and nothing behind.

The sizes that headers declare are only ever compared with the bytes at hand: nothing is allocated by them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.failures import FailureKind
from ..model.outcomes import Check
from .describe import describe, describe_tail, quote
from .errors import InvalidSpectrumError, malformed
from .gzip import GZIP, PackingError, unpacked
from .header import Header
from .header_layout import bounded_cache

BLOCK = 2880
LONGEST_HEADER = 128 * BLOCK  # 4,608 cards: more than any spectrum has, and understood in a hundredth of a second
LARGEST_UNPACKED = 2**26
MOST_HDUS = 64
LARGEST_DATA = 2**40  # a terabyte; what is declared above it is nonsense rather than missing

_BEGINNING, _EXTENSION = b"SIMPLE  =", b"XTENSION="
_END = b"END" + b" " * 77
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
_DACHS_TRACEBACK = b"XXXXXX Internal error"


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header and the place of its data: ``size`` bytes from ``start`` on, without padding."""

    header: Header
    kind: str
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + -(-self.size // BLOCK) * BLOCK


def read_hdus(body: bytes) -> list[Hdu]:
    """Every HDU of a FITS file that is exactly whole; RejectedError for anything else."""
    _refuse_strangers(body)
    hdus = [_hdu(body, 0)]
    while (position := hdus[-1].end) < len(body):
        if not _EXTENSION.startswith(body[position : position + len(_EXTENSION)]):
            tail = body[position:]
            detail = f"{len(tail):,} bytes stand behind the end of the FITS file: {describe_tail(tail)}"
            raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.TRAILING_BYTES, detail)
        if len(hdus) == MOST_HDUS:
            raise malformed(f"the file has more than {MOST_HDUS} HDUs")
        hdus.append(_hdu(body, position))
    if len(hdus) == 1 and hdus[0].size == 0:
        raise _truncated(body, "behind the empty primary HDU, where the table should follow")
    return hdus


def _refuse_strangers(body: bytes) -> None:
    if not body:
        raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.EMPTY, "the answer has no bytes")
    if _BEGINNING.startswith(body[: len(_BEGINNING)]):
        return
    if body.startswith(GZIP):
        _refuse_packed(body)
    raise InvalidSpectrumError(
        Check.STRUCTURE, FailureKind.NOT_FITS, f"the answer is no FITS file but {describe(body)}"
    )


def _refuse_packed(body: bytes) -> None:
    """A sound gzip file would have been unpacked before: say what is wrong with one that is not."""
    try:
        unpacked(body, LARGEST_UNPACKED)
    except PackingError as error:
        raise InvalidSpectrumError(Check.STRUCTURE, error.kind, str(error)) from None


def _hdu(body: bytes, position: int) -> Hdu:
    end = _end_card(body, position)
    start = position + -(-(end + 80 - position) // BLOCK) * BLOCK
    if body[end + 80 : start] != b" " * (start - end - 80):
        raise malformed("the header is not padded with blanks")
    header = Header(body[position:end])
    kind, size = _extent(header.structure, position == 0)
    hdu = Hdu(header, kind, start, size)
    if hdu.end > len(body):
        raise _truncated(body, f"of {hdu.end:,} that its headers declare")
    padding = b" " if kind == "TABLE" else b"\0"
    if body[start + hdu.size : hdu.end] != padding * (hdu.end - start - hdu.size):
        raise malformed("the data are not padded as FITS demands: the table's size and its data disagree")
    return hdu


def _end_card(body: bytes, position: int) -> int:
    """Where the END card of the header at ``position`` begins; its block is whole."""
    limit = position + LONGEST_HEADER
    end = body.find(_END, position, limit)
    while end > 0 and (end - position) % 80:
        # Words of a value or a comment that look like an END card: go on where the next card begins.
        end = body.find(_END, end + 80 - (end - position) % 80, limit)
    if end < 0:
        raise _headless(body, position)
    if position + -(-(end + 80 - position) // BLOCK) * BLOCK > len(body):
        raise _truncated(body, "in the padding of a header")
    return end


def _headless(body: bytes, position: int) -> InvalidSpectrumError:
    seen = body[position : position + LONGEST_HEADER]
    if len(seen) == LONGEST_HEADER:
        return malformed(f"a header has no END card in its first {LONGEST_HEADER:,} bytes")
    if _DACHS_TRACEBACK not in seen:
        Header(seen[: len(seen) // 80 * 80])  # refuses what is no header, so that the rest is one that broke off
    return _truncated(body, "before the END card of a header")


def _truncated(body: bytes, where: str) -> InvalidSpectrumError:
    place = body.rfind(_DACHS_TRACEBACK)
    report = f"; the server's own error report stands at its end, {quote(body[place:])}" if place >= 0 else ""
    return InvalidSpectrumError(
        Check.STRUCTURE, FailureKind.TRUNCATED, f"the FITS file ends after {len(body):,} bytes, {where}{report}"
    )


@bounded_cache  # spectra with as many points have the same
def _extent(structure: bytes, primary: bool) -> tuple[str, int]:
    """The kind of an HDU and the bytes of its data, by its structural cards."""
    header = Header(structure)
    return _kind(header, primary), _data_size(header)


def _kind(header: Header, primary: bool) -> str:
    if not primary:
        return header.text("XTENSION")
    if header.value("SIMPLE") is not True:
        raise malformed("the file does not conform to FITS: its first card is not SIMPLE = T")
    header.value("EXTEND")  # what follows is walked anyway, but the card must be one
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
            raise malformed(f"the header declares more than {LARGEST_DATA:,} bytes of data")
    if header.value("XTENSION") is None:
        return size
    groups, heap = header.integer("GCOUNT", 1, 1), header.integer("PCOUNT", 0, LARGEST_DATA)
    return groups * (size + abs(bitpix) // 8 * heap)
