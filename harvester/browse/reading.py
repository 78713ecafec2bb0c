"""Read the stored files in the background: time, position, star and shape of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ..dataset.h_alpha import Rows, around_h_alpha
from ..dataset.run_profiles import RunProfiles
from ..dataset.stars import Objects
from ..dataset.stored_files import DamagedError, find_stored_file, read_stored
from ..fits.errors import InvalidSpectrumError
from ..fits.observation import Observation, observation_of
from ..fits.spectrum import Spectrum
from ..model.target import SpectrumId
from ..storage.interface import Store
from .index import SpectraIndex
from .shapes import Shapes, doubts, unusual

MOST_READ = 1_000_000  # spectra; of a larger harvest the first ones
BATCH = 100


@dataclass(slots=True)
class FileReader:
    """Fills the index with what only the files know. Any thread may use it."""

    store: Store
    index: SpectraIndex
    profiles: RunProfiles
    most: int = MOST_READ
    shapes: Shapes = field(default_factory=Shapes)
    read: int = 0
    """How many files were read, and are in the index."""
    _last: int = 0
    _objects: Objects = field(init=False)
    _stars: dict[str, int] = field(default_factory=dict)
    """The number of each star, by its key."""
    _number_of_stars: int = 0
    _joined: list[tuple[int, int]] = field(default_factory=list)
    """Numbers of stars that turned out to be one in this batch: that which stays, that which goes."""
    _lock: Lock = field(default_factory=Lock)
    _reading: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._objects = Objects(self._join)

    def _join(self, gone: str, kept: str) -> None:
        """Note that two stars are one, under the key ``kept``."""
        number = self._stars.pop(gone, None)
        if number is not None and (other := self._stars.setdefault(kept, number)) != number:
            self._joined.append((other, number))

    @property
    def full(self) -> bool:
        """Whether no more files are read."""
        return self.read >= self.most

    def read_more(self) -> bool:
        """Read the next files and return whether there were any. StoreError."""
        with self._reading:
            rows = [] if self.full else self.index.stored_after(self._last, BATCH)
            if rows:
                self._read(rows)
                self._last = rows[-1][0]
            return bool(rows)

    def begin_again(self) -> None:
        """Let ``read_more`` return to files that were passed before the ledger had them."""
        with self._reading:
            self._last = 0

    def read_again(self, number: int, did: str) -> None:
        """Read a file that was stored after its row number had been passed. StoreError."""
        with self._reading:  # a batch that is being read may pass the number
            if number <= self._last and not self.full:
                self._read([(number, did)])

    def _read(self, rows: list[tuple[int, str]]) -> None:
        found: dict[str, list[tuple[object, int]]] = {"mjd": [], "ra": [], "dec": [], "star": []}
        for number, did in rows:
            spectrum = self._spectrum(SpectrumId(did))
            if spectrum is None:
                continue
            observation = observation_of(spectrum)
            for name in ("mjd", "ra", "dec"):
                found[name].append((getattr(observation, name), number))
            found["star"].append((self._star(SpectrumId(did), observation), number))
            row = _shape(spectrum, observation)
            if row is not None:
                with self._lock:
                    self.shapes.add(number, row)
        for name, values in found.items():
            self.index.fill(name, values)
        self.index.join_stars(self._joined)
        self._joined.clear()
        self.read += len(rows)

    def _star(self, did: SpectrumId, observation: Observation) -> int:
        self._objects.add(did, observation)
        star = self._objects.star(did, observation)
        if star not in self._stars:
            self._number_of_stars += 1
            self._stars[star] = self._number_of_stars
        return self._stars[star]

    def _spectrum(self, did: SpectrumId) -> Spectrum | None:
        stored = find_stored_file(self.store, did, self.profiles)
        try:
            return None if stored is None else read_stored(stored)
        except DamagedError:
            return None  # the table says so when its row is opened

    def neighbours(self, number: int, most: int, spectrum: Spectrum | None = None) -> list[tuple[int, float]]:
        """Return the spectra that are most similar around H-alpha, with their distances.

        spectrum: the one of that number, for which there need be no shape yet.
        """
        with self._lock:
            found = self.shapes.nearest(number, most)
        row = None if found or spectrum is None else _shape(spectrum, observation_of(spectrum))
        if row is None:
            return found
        with self._lock:
            return self.shapes.nearest_to(row, most)

    def judge(self) -> None:
        """Compute again how doubtful and unusual each spectrum is, by the labels there are now."""
        with self._lock:
            numbers, shapes = self.shapes.numbers[:], self.shapes.compared.copy()
        labels = self.index.labels(numbers)
        for column, judged in (("doubt", doubts), ("unusual", unusual)):
            self.index.fill(column, _pairs(judged(shapes, labels), numbers))


def _shape(spectrum: Spectrum, observation: Observation) -> Rows | None:
    """Return the shape, None where it is not covered or wavelengths have no unit."""
    try:
        return around_h_alpha(spectrum, observation.h_alpha)
    except InvalidSpectrumError:
        return None


def _pairs(values: NDArray[np.float64], numbers: Iterable[int]) -> Iterator[tuple[float | None, int]]:
    rounded = np.round(values, 3).tolist()
    return ((None if math.isnan(value) else value, number) for value, number in zip(rounded, numbers, strict=True))
