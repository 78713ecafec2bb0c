"""The table of a spectrum: from the columns of a BINTABLE to two arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.outcomes import Check
from .errors import malformed
from .hdu import LARGEST_DATA, Hdu
from .header import Header, Value
from .header_layout import bounded_cache
from .spectrum import Spectrum

_TFORM = re.compile(r"(\d{0,12})([LXBIJKAEDCMPQ])([!-~]*)")
_WIDTH = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "P": 8, "M": 16, "Q": 16}
_NUMBERS: dict[str, np.dtype[Any]] = {
    "I": np.dtype(">i2"),
    "J": np.dtype(">i4"),
    "K": np.dtype(">i8"),
    "E": np.dtype(">f4"),
    "D": np.dtype(">f8"),
}
_SPECTRAL_NAMES = frozenset({"spectral", "wave", "wavelength", "lambda"})
_FLUX_NAMES = frozenset({"flux", "fluxdensity", "flux_density", "intensity"})


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One field of a table: ``count`` numbers of type ``code``, ``offset`` bytes into each row.

    scale, zero: TSCALn and TZEROn, None where there are none; null: TNULLn likewise.
    """

    number: int
    code: str
    count: int
    offset: int
    name: str
    utype: str
    unit: str
    scale: float | None
    zero: float | None
    null: Value | None


@dataclass(frozen=True, slots=True)
class BinaryTable:
    """A BINTABLE whose fields fill its rows exactly; ``wave`` and ``flux`` are the columns with these roles."""

    columns: tuple[TableColumn, ...]
    width: int
    rows: int
    wave: TableColumn | None
    flux: TableColumn | None


def spectrum_table(hdus: list[Hdu]) -> tuple[Hdu, BinaryTable]:
    """The first table with wavelengths and flux, else the first table; RejectedError where there is none."""
    tables = [(hdu, _table(hdu.header.structure)) for hdu in hdus if hdu.kind == "BINTABLE"]
    if not tables:
        raise malformed(f"none of the file's {len(hdus)} HDUs is a binary table, or an image of one row")
    return next((found for found in tables if found[1].wave and found[1].flux), tables[0])


@bounded_cache  # spectra with as many points have the same
def _table(structure: bytes) -> BinaryTable:
    """The table that these structural cards describe."""
    header = Header(structure)
    header.integer("BITPIX", 8, 8)
    header.integer("NAXIS", 2, 2)
    width, rows = header.integer("NAXIS1", 0, LARGEST_DATA), header.integer("NAXIS2", 0, LARGEST_DATA)
    if header.value("THEAP") is not None:
        header.integer("THEAP", width * rows, LARGEST_DATA)
    columns: list[TableColumn] = []
    offset = 0
    for number in range(1, header.integer("TFIELDS", 0, 999) + 1):
        column, size = _column(header, number, offset)
        columns.append(column)
        offset += size
    if offset != width:
        raise malformed(f"the table's fields fill {offset} bytes of a row, but the header says NAXIS1 = {width}")
    wave = _with_role(columns, "spectralaxis.value", _SPECTRAL_NAMES)
    flux = _with_role(columns, "fluxaxis.value", _FLUX_NAMES)
    return BinaryTable(tuple(columns), width, rows, wave, flux)


def _with_role(columns: list[TableColumn], utype_end: str, names: frozenset[str]) -> TableColumn | None:
    """The utype decides; a usual name does where no utype says it."""
    by_utype = [column for column in columns if column.utype.endswith(utype_end)]
    return next(iter(by_utype or [column for column in columns if column.name in names]), None)


def _column(header: Header, number: int, offset: int) -> tuple[TableColumn, int]:
    form = header.text(f"TFORM{number}")
    parts = _TFORM.fullmatch(form)
    if parts is None:
        raise malformed(f"the header says TFORM{number} = {form!r}, which is no form of a field")
    count, code = int(parts[1] or 1), parts[2]
    size = -(-count // 8) if code == "X" else count * _WIDTH[code]
    header.text(f"TDISP{number}"), header.text(f"TDIM{number}"), header.real(f"TNULL{number}")
    name, utype = header.text(f"TTYPE{number}").lower(), header.text(f"TUTYP{number}").lower()
    if not name:
        raise malformed(f"column {number} of the table has no name: there is no TTYPE{number} card")
    scaling = header.real(f"TSCAL{number}"), header.real(f"TZERO{number}"), header.value(f"TNULL{number}")
    return TableColumn(number, code, count, offset, name, utype, header.text(f"TUNIT{number}"), *scaling), size


@np.errstate(all="ignore")  # what becomes NaN or infinite here is judged by the science gate, not warned about
def decode(raw: bytes, primary: Header, hdu: Hdu, table: BinaryTable) -> Spectrum:
    """The arrays of ``table``, which is ``hdu`` in ``raw``; RejectedError if it has none that are a spectrum."""
    wave, flux = table.wave, table.flux
    if wave is None or flux is None:
        missing = "spectral" if wave is None else "flux"
        names = ", ".join(column.name or "unnamed" for column in table.columns) or "none"
        raise malformed(f"the table has no {missing} column by utype or by name; its columns: {names}", Check.SCIENCE)
    arrays = _array(raw, hdu, table, wave), _array(raw, hdu, table, flux)
    if arrays[0].size != arrays[1].size:
        raise malformed(f"{arrays[0].size} wavelengths stand against {arrays[1].size} values of flux", Check.SCIENCE)
    return Spectrum(arrays[0], wave.unit, arrays[1], flux.unit, wave.number, primary, hdu.header)


def _array(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> NDArray[np.float64]:
    if column.code not in _NUMBERS or (column.count != 1 and table.rows > 1):
        detail = f"column {column.number} is {column.count}{column.code} in {table.rows} rows: neither one number a row"
        raise malformed(f"{detail} nor an array in one row", Check.SCIENCE)
    points = column.count * table.rows
    if points == 0:
        return np.empty(0)
    kind = _NUMBERS[column.code]
    stride = kind.itemsize if table.rows == 1 else table.width
    return _scaled(np.ndarray((points,), kind, raw, hdu.start + column.offset, (stride,)), column)


def _scaled(stored: NDArray[np.generic], column: TableColumn) -> NDArray[np.float64]:
    values = stored.astype(np.float64)
    if column.scale is not None or column.zero is not None:
        values = values * (1.0 if column.scale is None else column.scale) + (column.zero or 0.0)
    if column.null is not None and stored.dtype.kind == "i":
        values[stored == column.null] = np.nan
    return values
