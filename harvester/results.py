"""What a harvest came to, as a value: its numbers, its failures, and the spectra themselves, by name, DID or table."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .dataset.stored_files import StoredFile, find_stored_file, read_stored, stored_files
from .fits.observation import Observation, observation_of
from .fits.spectrum import Spectrum, angstroms
from .formatting import count, plain_line, plural
from .ledger import queries
from .ledger.queries import FailureRecord
from .model.target import SpectrumId
from .storage.directory import DirectoryStore

if TYPE_CHECKING:
    import specutils
    from astropy.table import Table

EXAMPLES = 20  # failures that a notebook shows


@dataclass(frozen=True)
class StoredSpectrum:
    """One spectrum on disk. Its file is read, and proved to be what was stored, when an array is first asked for.

    DamagedError where it is not, StoreError where the disk fails. (Not slotted: what was read is remembered.)
    """

    stored: StoredFile

    @property
    def did(self) -> SpectrumId:
        return self.stored.did

    @property
    def name(self) -> str:
        """The file's name, without ``.fits``."""
        return self.stored.name

    @property
    def path(self) -> Path:
        return Path(self.stored.path)

    @property
    def columns(self) -> Mapping[str, str]:
        """The other columns of its catalog row, such as its label."""
        return self.stored.columns

    @cached_property
    def as_filed(self) -> Spectrum:
        """The file as it is: arrays, units as it spells them, and the cards of its headers."""
        return read_stored(self.stored)

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelengths in Angstrom, shape (points,), in air or vacuum as ``observation.medium`` tells."""
        return angstroms(self.as_filed)

    @property
    def flux(self) -> NDArray[np.float64]:
        """Flux, shape (points,), in the file's unit (``as_filed.flux_unit``); without unit, about 1, if normalized."""
        return self.as_filed.flux

    @property
    def observation(self) -> Observation:
        """Object, place, time, exposure and medium, as far as the header tells."""
        return observation_of(self.as_filed)

    def spectrum(self) -> specutils.Spectrum:
        """As specutils has it. ImportError that says what to install if specutils is not there."""
        from .specutils import as_specutils

        return as_specutils(self.as_filed)

    def __repr__(self) -> str:
        return f"<StoredSpectrum {self.did}: {self.stored.points} points in {self.path}>"


@dataclass(frozen=True, slots=True, eq=False)
class Harvest:
    """A directory of spectra, and the numbers of a run that filled it.

    summary: the fields of the run's summary.json. notes: what that only watched was lost on the way.
    What is stored and what failed is read from the directory's ledger when it is asked for, limited to ``dids`` (the
    run's catalog) where there are any.
    """

    out: Path
    summary: Mapping[str, Any]
    dids: Collection[SpectrumId] | None = None
    notes: Sequence[str] = ()

    @property
    def exit_code(self) -> int | None:
        """What the command line would end with (README, exit codes); None while the run goes on."""
        code = self.summary.get("exit_code")
        return None if code is None else int(code)

    @property
    def reason(self) -> str:
        """Why the run ended, in words."""
        return str(self.summary.get("reason", "no run is known"))

    @property
    def complete(self) -> bool:
        """Whether every spectrum of the catalog is on disk and verified."""
        return self.exit_code == 0

    @property
    def failures(self) -> list[FailureRecord]:
        """What is not there and why: did, kind (with its meaning and advice), blame, detail, attempts, columns."""
        return [failure for failure in queries.failures(self._store.ledger) if self._lists(SpectrumId(failure.did))]

    def table(self) -> Table:
        """An astropy table: a row for each stored spectrum, by name, with the catalog's columns behind ours."""
        from .dataset.astropy_table import table_of

        return table_of([stored.stored for stored in self])

    def __getitem__(self, key: str) -> StoredSpectrum:
        """The spectrum with this DID or name. KeyError if it is not stored."""
        found = find_stored_file(self._store, key)
        if found is None or not self._lists(found.did):
            raise KeyError(f"{key}: no such spectrum is stored in {self.out}")
        return StoredSpectrum(found)

    def __contains__(self, key: str) -> bool:
        found = find_stored_file(self._store, key)
        return found is not None and self._lists(found.did)

    def __iter__(self) -> Iterator[StoredSpectrum]:
        """Every stored spectrum, by name. Streams."""
        return (StoredSpectrum(one) for one in stored_files(self._store) if self._lists(one.did))

    def __len__(self) -> int:
        return sum(1 for did in queries.stored_dids(self._store.ledger) if self._lists(did))

    def __repr__(self) -> str:
        return f"<Harvest {self.out}: {self._counted}; {self.reason}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: numbers, and what is missing. No colours of its own, so that any theme suits it."""
        failures = self.failures
        kinds = Counter(failure.kind for failure in failures)
        rows = [(kind, number, kind.meaning, kind.advice) for kind, number in kinds.most_common()]
        examples = [(one.did, one.kind, plain_line(one.detail), one.attempts) for one in failures[:EXAMPLES]]
        return (
            f"<div><p><strong>{_html(self._counted)}</strong> in <code>{_html(self.out)}</code>: "
            f"{_html(self.reason)}</p>"
            + _html_table(("kind", "spectra", "meaning", "what to do"), rows)
            + (f"<details><summary>{_html(_which(failures))}</summary>" if examples else "")
            + _html_table(("id", "kind", "detail", "asked"), examples)
            + ("</details></div>" if examples else "</div>")
        )

    @property
    def _counted(self) -> str:
        listed = "" if self.dids is None else f" of {count(len(self.dids))} listed"
        return plural(len(self), "spectrum", "spectra") + listed

    @property
    def _store(self) -> DirectoryStore:
        return DirectoryStore(self.out)

    def _lists(self, did: SpectrumId) -> bool:
        return self.dids is None or did in self.dids


def _which(failures: Sequence[FailureRecord]) -> str:
    return "which" if len(failures) <= EXAMPLES else f"the first {EXAMPLES} of {len(failures)} (all: .failures)"


def _html_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [_html_row("th", head), *(_html_row("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _html_row(tag: str, cells: Sequence[object]) -> str:
    """To the left, each cell by itself: notebooks align what they show to the right."""
    return "<tr>" + "".join(f'<{tag} style="text-align: left">{_html(cell)}</{tag}>' for cell in cells) + "</tr>"


def _html(value: object) -> str:
    return html.escape(str(value))
