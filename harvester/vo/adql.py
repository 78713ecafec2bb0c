"""Write queries to a table of spectra, in the part of ADQL 2.0 that every TAP service has.

Values go in and text comes out. Whatever comes from a user or an archive stands in quotation marks, doubled where it
has some (ADQL 2.0, section 2.1.4): a name cannot end the text that it is in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from ..errors import ArchiveError
from .columns import OBJECT, PRODUCT_TYPE, TIME, WAVE_START, WAVE_STOP, ColumnMeaning, column_index, position_columns
from .constraints import Constraints, mjd
from .listing import METRES
from .votable_model import SpectraTable, VotableField, VotableTable

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*|"(?:[^"]|"")+"')
_WORDS = """
    action add all alter and any are area as asc asin at avg begin between bit boolean both box by case cast centroid
    char character check circle class close column commit connect constraint contains coord1 coord2 coordsys
    corresponding count create cross current cursor date day dec decimal declare default delete desc disconnect distance
    distinct domain double drop else end escape except exception exec exists exp external extract false fetch first
    float for foreign found from full get global go goto grant group having hour identity immediate in index indicator
    inner input insert int integer intersect intersects interval into is isolation join key language last leading left
    level like local log lower match max min minute mod module month names national natural next no not null numeric
    octet_length of offset on only open option or order outer output overlaps pad partial pi point polygon position
    power precision primary prior privileges procedure public radians rand read real references region relative restrict
    right rollback round rows schema scroll second section select session set sign sin size smallint some space sql sqrt
    substring sum system_user table tan temporary then time timestamp to top trailing transaction trim true truncate
    union unique unknown update upper usage user using value values varchar varying view when where with work write year
    zone
"""  # of ADQL and SQL (ADQL 2.0, section 2.1.2), which columns may be called, too
_RESERVED = frozenset(_WORDS.split())
_NUMERIC = re.compile(r"double|float|real|int|numeric|decimal", re.IGNORECASE)
_SPECTRA = "'spectrum', 'SPECTRUM', 'Spectrum'"  # the standard's word, and as some write it; LOWER is optional
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 '+.,:;()*/-]+")  # wildcards of LIKE, and letters whose lower case is debatable


def is_table_name(name: str) -> bool:
    """Return whether ``name`` is one or more plain or quoted names, with dots between."""
    return re.fullmatch(rf"(?:{_NAME.pattern})(?:\.(?:{_NAME.pattern}))*", name) is not None


def literal(text: str) -> str:
    """Return ``text`` as a literal."""
    return "'" + text.replace("'", "''") + "'"


def column(name: str) -> str:
    """Return a column's name, in quotation marks where it is no plain one."""
    is_plain = _NAME.fullmatch(name) and name.casefold() not in _RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def is_numeric(field: VotableField) -> bool:
    """Return whether a column has numbers."""
    return _NUMERIC.search(field.datatype) is not None or field.datatype.casefold() in ("long", "short", "unsignedbyte")


def select(
    source: SpectraTable, fields: Sequence[VotableField], conditions: Iterable[str], top: int, order_by: str = ""
) -> str:
    """Return a query for ``fields`` of the rows that fulfil ``conditions``, ``top`` at most."""
    names = ", ".join(column(field.name) for field in fields)
    order = f" ORDER BY {column(order_by)}" if order_by else ""
    return f"SELECT TOP {top} {names} FROM {source.name}{_where(conditions)}{order}"


def count(source: SpectraTable, conditions: Iterable[str]) -> str:
    """Return a query for the number of rows that fulfil ``conditions``."""
    return f"SELECT COUNT(*) AS total FROM {source.name}{_where(conditions)}"


def _where(conditions: Iterable[str]) -> str:
    parts = " AND ".join(conditions)
    return f" WHERE {parts}" if parts else ""


def conditions(source: SpectraTable, wanted: Constraints, with_functions: bool = True) -> list[str]:
    """Return conditions for the spectra that are wanted.

    Those that need functions are left out if so wished. ArchiveError where the table has no column for something that
    narrows them.
    """
    columns = source.columns
    kind = _field(columns, PRODUCT_TYPE)
    parts = [f"{column(kind.name)} IN ({_SPECTRA})"] if kind else []
    if wanted.position and with_functions:
        parts.append(f"1 = CONTAINS({_place(source)}, CIRCLE('ICRS', {_numbers(*wanted.position, wanted.size / 2)}))")
    if wanted.band:
        parts += _overlap(source, wanted.band.low, wanted.band.high)
    if wanted.time:
        parts += _then(_needed(source, "--time", TIME), *wanted.time)
    if wanted.target and with_functions:
        name = column(_needed(source, "--target", OBJECT).name)
        parts += [f"LOWER({name}) LIKE {literal(_pattern(word))}" for word in wanted.target.split()]
    return parts


def _pattern(word: str) -> str:
    """Return a LIKE pattern.

    What is not plain may be anything, since not all services let it be marked (ESCAPE).
    """
    return f"%{_NOT_PLAIN.sub('%', word).lower()}%"


def _place(source: SpectraTable) -> str:
    match [column(source.columns.fields[index].name) for index in position_columns(source.columns)]:
        case [ra, dec]:
            return f"POINT('ICRS', {ra}, {dec})"
        case [point]:
            return point
    raise _no_column(source, "--pos")


def _overlap(source: SpectraTable, low: float, high: float) -> Iterator[str]:
    for meaning, sign, limit in ((WAVE_STOP, ">=", low), (WAVE_START, "<=", high)):
        end = _needed(source, "--band", meaning)
        metres = METRES.get(end.unit.strip().casefold())
        if metres is None:
            raise ArchiveError(f"{source.name} has wavelengths in {end.unit!r}, which --band cannot be compared with")
        if math.isfinite(limit):
            yield f"{column(end.name)} {sign} {_numbers(limit / metres)}"


def _then(when: VotableField, first: str, last: str) -> Iterator[str]:
    """Yield limits of time.

    Dates as texts and other days than modified Julian ones are left to the test of rows.
    """
    if not _NUMERIC.search(when.datatype) or when.unit.strip() not in ("d", ""):
        return
    if first:
        yield f"{column(when.name)} >= {_numbers(mjd(first))}"
    if last:
        yield f"{column(when.name)} <= {_numbers(mjd(last) + (len(last) == len('2010-01-01')))}"  # all of that day


def _numbers(*values: float) -> str:
    return ", ".join(map(repr, values))


def _field(columns: VotableTable, meaning: ColumnMeaning) -> VotableField | None:
    index = column_index(columns, meaning)
    return columns.fields[index] if index is not None else None


def _needed(source: SpectraTable, option: str, meaning: ColumnMeaning) -> VotableField:
    found = _field(source.columns, meaning)
    if found is None:
        raise _no_column(source, option)
    return found


def _no_column(source: SpectraTable, option: str) -> ArchiveError:
    return ArchiveError(f"{source.name} of {source.url} has no column that {option} could narrow")
