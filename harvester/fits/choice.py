"""Which of a file's tables are its spectrum, and which only look like it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from ..formatting import plain_line, plural
from .cards import Cards
from .columns import Roles
from .errors import unreadable
from .spectrum import Spectrum

LONGEST_REMARK = 300  # characters; names in it come from the file

_AUXILIARY = re.compile(
    r"(?i).*(response|sens(func)?\b|sky|arc\b|lamp|calib|model|telluric|throughput|transmission|filter|flat|bias|template"
    r"|lines?\b|zline|extinction|background|bkg).*"
)
_MAIN = re.compile(r"(?i)(coadd(ed)?|combined|spectrum|phase3spectrum|final|merged|stack(ed)?)")
_FEWEST_POINTS = 8  # of a table that is the spectrum although a longer one is there
_SMALL = 0.1  # of the longest table's points: what has fewer, as bands of photometry, is something else ...
_FEW_POINTS = 100  # ... unless it has as many as this
_SOURCE_CARDS = ("SOURCEID", "SRCNAME", "SOURCE_ID", "SRCID", "TARGNAME", "OBJNAME", "OBJECT", "FIBERID", "SLITID")


class Candidate(Protocol):
    """A table with a spectral axis and flux."""

    @property
    def name(self) -> str: ...
    @property
    def header(self) -> Cards: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def points(self) -> int: ...


Table = TypeVar("Table", bound=Candidate)


def is_auxiliary(name: str) -> bool:
    """Return whether a table of this name describes the instrument or the sky, not the object."""
    return _AUXILIARY.fullmatch(name) is not None


def is_small(points: int, longest: int) -> bool:
    """Return whether ``points`` are too few for a spectrum beside another with ``longest``."""
    if longest <= _FEWEST_POINTS:
        return False
    return points <= _FEWEST_POINTS or points < min(_SMALL * longest, _FEW_POINTS)


def choose_tables(tables: Sequence[Table]) -> tuple[Sequence[Table], tuple[str, ...]]:
    """Return the tables that are the spectrum, and a remark on those that are not.

    None if there is none.
    """
    if len(tables) < 2:
        return tables, ()
    longest = max(found.points for found in tables)
    kept = [found for found in tables if not is_small(found.points, longest)]
    kept = [found for found in kept if not is_auxiliary(found.name)] or kept
    best = max(found.roles.evidence for found in kept)
    kept = [found for found in kept if found.roles.evidence == best]
    main = [found for found in kept if _MAIN.fullmatch(found.name)]
    others = len(kept) - 1
    if len(main) == 1 and others:
        rest = plural(others, "further spectrum in the file is", "further spectra in the file are")
        return main, (f"{rest} left out: its table {main[0].name} is read",)
    if not others:
        return kept, _left_out(tables, kept[0])
    _refuse_many_sources([found.header for found in kept])
    names = ", ".join(found.name or "unnamed" for found in kept[:6])
    return kept, (f"several spectra in one file: {len(kept)} tables ({names}) are read as segments",)


def _left_out(tables: Sequence[Table], kept: Table) -> tuple[str, ...]:
    """Return a remark on the tables besides ``kept`` that have wavelengths and flux, too."""
    names = ", ".join(found.name or "unnamed" for found in tables if found is not kept)
    return (f"the table {kept.name or 'without a name'} is read; others have wavelengths and flux, too: {names}",)


def _refuse_many_sources(headers: Sequence[Cards]) -> None:
    for card in _SOURCE_CARDS:
        names = {str(value) for header in headers if (value := header.get(card)) is not None}
        if len(names) > 1:
            raise unreadable(f"the file holds {len(headers)} spectra of {len(names)} objects, by their {card} cards")


def in_plain_lines(spectrum: Spectrum) -> Spectrum:
    """Return the spectrum with remarks of one printable line each."""
    return replace(spectrum, remarks=tuple(plain_line(remark, LONGEST_REMARK) for remark in spectrum.remarks))
