"""The result of a harvest as a value: numbers, failures, and spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from .dataset.catalog_columns import typed_value
from .dataset.stored_files import DamagedError, StoredFile, find_stored_file, read_stored, stored_files
from .errors import HarvestError
from .fits.observation import Observation, observation_of
from .fits.spectrum import Spectrum, angstroms
from .formatting import _html, count, html_table, plain_line, plural
from .ledger import queries
from .ledger.damage import explained_by_damage
from .ledger.queries import FailureRecord
from .model.target import SpectrumId
from .plots.sparkline import sparkline
from .storage.directory import DirectoryStore

if TYPE_CHECKING:
    import specutils
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from astropy.time import Time
    from astropy.units import Quantity

EXAMPLES = 20  # failures that a notebook shows
SPARKLINES = 5  # spectra that a notebook shows


@dataclass(frozen=True)
class StoredSpectrum:
    """One stored spectrum, whose file is read and verified when an array is first accessed.

    Accessing an array raises DamagedError if the file is not what was stored, and StoreError if the disk fails. (The
    class has no slots, since it caches what was read.)
    """

    stored: StoredFile
    """What the ledger knows of the file."""

    @property
    def did(self) -> SpectrumId:
        """The publisher DID."""
        return self.stored.did

    @property
    def name(self) -> str:
        """The file's name, without its ending."""
        return self.stored.name

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.stored.path)

    @property
    def columns(self) -> Mapping[str, str]:
        """The other columns of its catalog row, such as its label, as text."""
        return self.stored.columns

    @cached_property
    def as_filed(self) -> Spectrum:
        """The contents of the file: arrays, units as the file spells them, and header cards."""
        return read_stored(self.stored)

    @property
    def wave(self) -> NDArray[np.float64]:
        """The wavelengths in Angstrom, shape (points,), in air or vacuum (``observation.medium``)."""
        return angstroms(self.as_filed)

    @property
    def flux(self) -> NDArray[np.float64]:
        """The flux, shape (points,), float64, in ``as_filed.flux_unit``.

        It is about 1 and without a unit if normalized.
        """
        return self.as_filed.flux

    @property
    def uncertainty(self) -> NDArray[np.float64] | None:
        """One standard deviation of flux, shape (points,); NaN is unknown, None if there is none."""
        return self.as_filed.uncertainty

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """True where the file flags the point as bad, shape (points,); None if it flags none."""
        return self.as_filed.mask

    @property
    def segments(self) -> Sequence[slice]:
        """Where each segment (order, arm, chip) is in the arrays; one slice for a single segment."""
        return self.as_filed.segments

    @property
    def remarks(self) -> Sequence[str]:
        """Sentences on what is unusual in the file, and how it was read."""
        return (*self.as_filed.remarks, *self.observation.remarks)

    @property
    def observation(self) -> Observation:
        """Object, position, time, exposure and medium, as far as the header has them."""
        return observation_of(self.as_filed)

    @property
    def values(self) -> Mapping[str, int | float | str | None]:
        """The other columns of its catalog row, as integer, number or text; None if blank."""
        return {name: typed_value(text) for name, text in self.columns.items()}

    @property
    def label(self) -> int | float | str | None:
        """The value of the catalog's column ``label``; None without one."""
        return self.values.get("label")

    @property
    def spectral_axis(self) -> Quantity:
        """The wavelengths as a Quantity in Angstrom."""
        from astropy import units as u

        return self.wave * u.AA

    @property
    def flux_quantity(self) -> Quantity:
        """The flux as a Quantity in the file's unit.

        Dimensionless if it is normalized or the unit is unknown.
        """
        from .fits.flux_unit import flux_unit

        return self.flux * flux_unit(self.as_filed.flux_unit)[0]

    @property
    def coord(self) -> SkyCoord | None:
        """The position (ICRS); None if the header has none."""
        from astropy.coordinates import SkyCoord

        observation = self.observation
        return (
            None
            if observation.ra is None or observation.dec is None
            else SkyCoord(observation.ra, observation.dec, unit="deg", frame="icrs")
        )

    @property
    def time(self) -> Time | None:
        """The middle of the exposure (UTC); None if the header has none."""
        from astropy.time import Time

        mjd = self.observation.mjd
        return None if mjd is None else Time(mjd, format="mjd", scale="utc")

    def spectrum(self) -> specutils.Spectrum:
        """Return it as a specutils object.

        ImportError, with what to install, if specutils is missing.
        """
        from .specutils import as_specutils

        return as_specutils(self.as_filed, self.did)

    def spectrum_list(self) -> specutils.SpectrumList:
        """Return its segments (orders, arms) as a specutils.SpectrumList, at least one.

        ImportError that says what to install if specutils is missing.
        """
        from .specutils import as_specutils_list

        return as_specutils_list(self.as_filed, self.did)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: name, object, time and a sparkline."""
        observation = self.observation
        facts = " · ".join(part for part in (observation.object_name, observation.when, self.did) if part)
        drawn = sparkline(self.wave, self.flux)
        return f"<div><strong>{_html(self.name)}</strong> {_html(facts)}<br>{drawn}</div>"

    def __repr__(self) -> str:
        points = self.stored.points if isinstance(self.stored.points, int) else 0  # a damaged ledger has anything
        return f"<StoredSpectrum {self.did}: {plural(points, 'point')} in {self.path}>"


@dataclass(frozen=True, slots=True, eq=False)
class Harvest:
    """A directory of spectra, and the numbers of a run.

    Stored spectra and failures are read from the directory's ledger on each access, limited to ``dids`` if given.

    Example:
        >>> [spectrum.name for spectrum in harvester.open_harvest("data/demo")][:2]
        ['na010010', 'na010011']
    """

    out: Path
    """The output directory."""
    summary: Mapping[str, Any]
    """The fields of the run's summary.json."""
    dids: Collection[SpectrumId] | None = None
    """The DIDs in the catalog of the run; None for all that is stored."""
    notes: Sequence[str] = ()
    """Observers that failed during the run, and other warnings."""

    @property
    def exit_code(self) -> int | None:
        """The exit code of the command line (docs/reference/exit-codes.md).

        None while the run is active.
        """
        code = self.summary.get("exit_code")
        return code if isinstance(code, int) else None

    @property
    def reason(self) -> str:
        """Why the run ended, as a clause."""
        return str(self.summary.get("reason", "no run is recorded"))

    @property
    def complete(self) -> bool:
        """Whether every spectrum of the catalog is on disk and verified."""
        return self.exit_code == 0 and not any(self._lists(did) for did, _ in queries.lost(self._store.ledger))

    @property
    def failures(self) -> list[FailureRecord]:
        """The missing spectra: did, kind (with meaning and advice), blame, detail, attempts ..."""
        ledger = self._store.ledger
        with explained_by_damage(ledger):
            return [failure for failure in queries.failures(ledger) if self._lists(SpectrumId(failure.did))]

    def table(self, *, observations: bool = True) -> QTable:
        """Return an astropy QTable with one row per stored spectrum, by name.

        Columns: did, name, object_name, points, wave_min and wave_max (Angstrom), size (bytes), sha256; ra, dec (deg,
        ICRS), time (UTC), exposure (s) and medium from the headers; the catalog's. ``meta`` names the directory and the
        request. ``observations=False`` leaves the header's columns out, and reads no file.
        """
        from .dataset.astropy_table import build_table

        with explained_by_damage(self._store.ledger):
            meta = {"directory": str(self.out), "request": queries.request_parameters(self._store.ledger) or ""}
            return build_table((one.stored for one in self), meta, observations=observations)

    def spectrum_list(self) -> specutils.SpectrumList:
        """Return all stored spectra as a specutils.SpectrumList, one member per segment.

        Each file is read.

        ImportError that says what to install if specutils is missing, DamagedError for a file that has changed.
        """
        import specutils

        return specutils.SpectrumList([part for stored in self for part in stored.spectrum_list()])

    @overload
    def __getitem__(self, key: str | SupportsIndex) -> StoredSpectrum: ...

    @overload
    def __getitem__(self, key: slice) -> list[StoredSpectrum]: ...

    def __getitem__(self, key: str | SupportsIndex | slice) -> StoredSpectrum | list[StoredSpectrum]:
        """Return the spectrum with this DID, this name (or file name) or position by name.

        A list for a slice.

        KeyError, or IndexError for a position, if it is not stored. To visit all, iterate: a position is found by
        counting.
        """
        if isinstance(key, str):
            found = find_stored_file(self._store, key)
            if found is None or not self._lists(found.did):
                raise KeyError(f"{key}: no such spectrum is stored in {self.out}")
            return StoredSpectrum(found)
        if isinstance(key, slice):
            positions = range(*key.indices(len(self)))
            wanted = set(positions)
            held = {at: one for at, one in enumerate(self) if at in wanted}
            return [held[at] for at in positions]
        position = index(key)
        start = position + len(self) if position < 0 else position
        spectrum = next(islice(self, start, None), None) if start >= 0 else None
        if spectrum is None:
            raise IndexError(f"{position}: {self.out} has {plural(len(self), 'spectrum', 'spectra')}")
        return spectrum

    def __contains__(self, key: object) -> bool:
        """Return whether the spectrum with this DID or name, or this StoredSpectrum, is stored."""
        key = key.did if isinstance(key, StoredSpectrum) else key
        if not isinstance(key, str):
            return False
        found = find_stored_file(self._store, key)
        return found is not None and self._lists(found.did)

    def __iter__(self) -> Iterator[StoredSpectrum]:
        """Iterate over the stored spectra by name, reading the ledger as it goes."""
        return (StoredSpectrum(one) for one in stored_files(self._store) if self._lists(one.did))

    def __len__(self) -> int:
        """Return the number of stored spectra."""
        return sum(1 for did in queries.stored_dids(self._store.ledger) if self._lists(did))

    def __repr__(self) -> str:
        return f"<Harvest {self.out}: {self._counted}; {self.reason}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows, without colours: numbers, and what is missing."""
        failures = self.failures
        kinds = Counter(failure.kind for failure in failures)
        rows = [(kind, number, kind.meaning, kind.advice) for kind, number in kinds.most_common()]
        examples = [(one.did, one.kind, plain_line(one.detail), one.attempts) for one in failures[:EXAMPLES]]
        return (
            f"<div><p><strong>{_html(self._counted)}</strong> in <code>{_html(self.out)}</code>: "
            f"{_html(self.reason)}</p>"
            + "".join(_sparkline_of(one) for one in islice(self, SPARKLINES))
            + html_table(("kind", "spectra", "meaning", "what to do"), rows)
            + (f"<details><summary>{_html(_which(failures))}</summary>" if examples else "")
            + html_table(("id", "kind", "detail", "attempts"), examples)
            + ("</details></div>" if examples else "</div>")
        )

    @property
    def _counted(self) -> str:
        listed = "" if self.dids is None else f" of {count(len(self.dids))} in the catalog"
        return plural(len(self), "spectrum", "spectra") + listed

    @property
    def _store(self) -> DirectoryStore:
        return DirectoryStore(self.out)

    def _lists(self, did: SpectrumId) -> bool:
        return self.dids is None or did in self.dids


def _sparkline_of(spectrum: StoredSpectrum) -> str:
    try:
        return spectrum._repr_html_()
    except (DamagedError, HarvestError) as error:  # a notebook shows the rest
        return f"<div><strong>{_html(spectrum.name)}</strong> {_html(error)}</div>"


def _which(failures: Sequence[FailureRecord]) -> str:
    return "examples" if len(failures) <= EXAMPLES else f"the first {EXAMPLES} of {len(failures)} (all: .failures)"
