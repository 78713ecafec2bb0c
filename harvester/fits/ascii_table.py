"""ASCII tables (XTENSION = 'TABLE').

They have numbers as text in fixed fields (FITS 4.0, section 7.2).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ..formatting import count
from .columns import assign_roles, meanings_of
from .errors import malformed, unreadable
from .hdu import LARGEST_DATA, Hdu
from .header import Header
from .header_layout import bounded_cache
from .spectrum import Array
from .table import MOST_POINTS, BinaryTable, TableColumn

_TFORM = re.compile(r"([AIFED])(\d{1,6})(?:\.(\d{1,3}))?")


@bounded_cache
def ascii_table(structure: bytes) -> BinaryTable:
    """Return the table that these structural cards describe.

    Its columns' ``count`` is their width in characters.
    """
    header = Header(structure)
    header.integer("BITPIX", 8, 8)
    header.integer("NAXIS", 2, 2)
    width, rows = header.integer("NAXIS1", 0, LARGEST_DATA), header.integer("NAXIS2", 0, LARGEST_DATA)
    columns = [_column(header, number, width) for number in range(1, header.integer("TFIELDS", 0, 999) + 1)]
    roles = assign_roles(columns)
    return BinaryTable(tuple(columns), width, rows, width * rows, roles, meanings=meanings_of(columns, roles))


def _column(header: Header, number: int, width: int) -> TableColumn:
    form = header.text(f"TFORM{number}").strip()
    parts = _TFORM.fullmatch(form)
    if parts is None:
        raise malformed(f"the header says TFORM{number} = {form!r}, which is not a valid format of a field of text")
    begin, size = header.integer(f"TBCOL{number}", 1, max(width, 1)), int(parts[2])
    if begin - 1 + size > width:
        raise malformed(f"column {number} ends behind the row's {width} characters")
    name, utype, ucd = (header.text(f"{stem}{number}").strip().lower() for stem in ("TTYPE", "TUTYP", "TUCD"))
    scaling = header.real(f"TSCAL{number}"), header.real(f"TZERO{number}"), header.value(f"TNULL{number}")
    code = "A" if parts[1] == "A" else "D"
    # The form goes where binary tables have the type of elements: an F without a point has implied decimals.
    return TableColumn(
        number, code, size, begin - 1, name, utype, ucd, header.text(f"TUNIT{number}").strip(), *scaling,
        "" if code == "A" else ("J" if parts[1] == "I" else "D"),
    )  # fmt: skip


def ascii_values(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> Array:
    """Return the numbers of a column, one a row.

    Blank fields are 0 (section 7.2.5), TNULLn is NaN.
    """
    if table.rows > MOST_POINTS:
        raise unreadable(f"the table has {count(table.rows)} rows, too many to read")
    if not table.rows or not column.count:
        return np.empty(0)
    lines = np.frombuffer(raw, np.uint8, table.rows * table.width, hdu.start).reshape(table.rows, table.width)
    fields = np.ascontiguousarray(lines[:, column.offset : column.offset + column.count])
    stored: NDArray[np.bytes_] = fields.view(f"S{column.count}")[:, 0]
    texts = np.char.strip(np.char.upper(stored))
    null = str(column.null).strip().upper().encode() if column.null is not None else None
    missing = texts == null if null is not None else np.zeros(table.rows, bool)
    texts = np.where(missing | (texts == b""), b"0", np.char.replace(texts, b"D", b"E"))
    if column.element == "D" and not (np.char.find(texts, b".") >= 0)[~missing & (texts != b"0")].all():
        raise unreadable(f"column {column.label!r} has numbers without a decimal point, whose place is in doubt")
    try:
        values = texts.astype(np.float64)
    except ValueError as error:
        raise unreadable(f"column {column.label!r} has a value that is not a number: {str(error)[-60:]!r}") from None
    values = values * (1.0 if column.scale is None else column.scale) + (column.zero or 0.0)
    values[missing] = np.nan
    return values
