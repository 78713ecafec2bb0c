"""What is asked of a table of spectra, in the part of ADQL 2.0 that every TAP service has. Values in, text out.

Whatever comes from a user or an archive stands in quotation marks, doubled where it has some (ADQL 2.0, section 2.1.4):
a name cannot end the text that it is in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from ..errors import ArchiveError
from .constraints import Constraints, mjd
from .document import place_of
from .listing import DEC, METRES, OBJECT, POINT, RA, START, STOP, WHEN
from .votable_model import SpectraTable, VotableField, VotableTable

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*|"(?:[^"]|"")+"')
_NUMERIC = re.compile(r"double|float|real|int|numeric|decimal", re.IGNORECASE)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 '+.,:;()*/-]+")  # wildcards of LIKE, and letters whose lower case is debatable


def is_table_name(name: str) -> bool:
    return re.fullmatch(rf"(?:{_NAME.pattern})(?:\.(?:{_NAME.pattern}))*", name) is not None


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def column(name: str) -> str:
    """A column's name as it is told, in quotation marks where it is no plain one."""
    return name if _NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def select(
    source: SpectraTable, fields: Sequence[VotableField], conditions: Iterable[str], top: int, in_order: bool = False
) -> str:
    names = ", ".join(column(field.name) for field in fields)
    order = f" ORDER BY {column(source.id_column)}" if in_order else ""
    return f"SELECT TOP {top} {names} FROM {source.name}{_where(conditions)}{order}"


def count(source: SpectraTable, conditions: Iterable[str]) -> str:
    return f"SELECT COUNT(*) AS total FROM {source.name}{_where(conditions)}"


def _where(conditions: Iterable[str]) -> str:
    told = " AND ".join(conditions)
    return f" WHERE {told}" if told else ""


def conditions(source: SpectraTable, wanted: Constraints) -> list[str]:
    """The spectra that are wanted. ArchiveError where the table has no column for something that narrows them."""
    columns = source.columns
    kind = _field(columns, "dataproduct_type")
    told = [f"{column(kind.name)} = 'spectrum'"] if kind else []
    if wanted.position:
        told.append(f"1 = CONTAINS({_place(source)}, CIRCLE('ICRS', {_numbers(*wanted.position, wanted.size / 2)}))")
    if wanted.band:
        told += _overlap(source, wanted.band.low, wanted.band.high)
    if wanted.time:
        told += _then(_needed(source, "--time", *WHEN), *wanted.time)
    if wanted.target:
        name = column(_needed(source, "--target", *OBJECT).name)
        told += [f"LOWER({name}) LIKE {literal(_pattern(word))}" for word in wanted.target.split()]
    return told


def _pattern(word: str) -> str:
    """What ``word`` is like: what is not plain may be anything, since not all services let it be marked (ESCAPE)."""
    return f"%{_NOT_PLAIN.sub('%', word).lower()}%"


def _place(source: SpectraTable) -> str:
    ra, dec = _field(source.columns, *RA), _field(source.columns, *DEC)
    if ra and dec:
        return f"POINT('ICRS', {column(ra.name)}, {column(dec.name)})"
    return column(_needed(source, "--pos", *POINT).name)


def _overlap(source: SpectraTable, low: float, high: float) -> Iterator[str]:
    for names, sign, limit in ((STOP, ">=", low), (START, "<=", high)):
        end = _needed(source, "--band", *names)
        metres = METRES.get(end.unit.strip().casefold())
        if metres is None:
            raise ArchiveError(f"{source.name} has wavelengths in {end.unit!r}, which --band cannot be compared with")
        if math.isfinite(limit):
            yield f"{column(end.name)} {sign} {_numbers(limit / metres)}"


def _then(when: VotableField, first: str, last: str) -> Iterator[str]:
    """Dates as texts and other days than modified Julian ones are left to the test of each row."""
    if not _NUMERIC.search(when.datatype) or when.unit.strip() not in ("d", ""):
        return
    if first:
        yield f"{column(when.name)} >= {_numbers(mjd(first))}"
    if last:
        yield f"{column(when.name)} <= {_numbers(mjd(last) + (len(last) == len('2010-01-01')))}"  # all of that day


def _numbers(*values: float) -> str:
    return ", ".join(map(repr, values))


def _field(columns: VotableTable, *names: str) -> VotableField | None:
    place = place_of(columns, *names)
    return columns.fields[place] if place is not None else None


def _needed(source: SpectraTable, option: str, *names: str) -> VotableField:
    found = _field(source.columns, *names)
    if found is None:
        raise ArchiveError(f"{source.name} of {source.url} has no column that {option} could narrow")
    return found
