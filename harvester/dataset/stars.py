"""Group spectra by star, so that no star is on both sides of a split.

Two spectra are of one star if they name the same object or were pointed within 2 arcseconds of each other; and so on
from spectrum to spectrum, since one star has many names. Names are compared without case, blanks, underscores, hyphens
after a letter (a zone's sign in BD, CD and CPD is kept), leading zeros of numbers, and SIMBAD's ``V*``, ``*``, ``**``
or ``NAME`` before them. RA = DEC = 0 is what software writes without a position. A spectrum that names neither object
nor position is a star of its own.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import product

from ..fits.observation import Observation
from ..model.target import SpectrumId

NEAR = 2.0  # arcseconds

_CHORD = 2 * math.sin(math.radians(NEAR / 3600) / 2)  # of NEAR on the unit sphere
_AROUND = tuple(product((-1, 0, 1), repeat=3))

_SIMBAD = re.compile(r"\s*(?:v\s*\*|\*{1,2}|name\s)")
_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_HYPHEN = re.compile(r"(?<=[^\W\d])(?<!\b[bc]d)(?<!\bcpd)-")

Direction = tuple[float, float, float]


class Objects:
    """The stars of many spectra, found one by one.

    Memory grows with names and positions, not with spectra.
    """

    def __init__(self, on_join: Callable[[str, str], None] | None = None) -> None:
        """``on_join`` is called with the keys of two stars that turn out to be one.

        That which goes comes first, then that which stays.
        """
        self._on_join = on_join
        self._parents: dict[str, str] = {}
        self._labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.anonymous = 0
        """How many spectra name neither object nor position: each is taken for a star of its own."""
        self._cells: dict[int, tuple[str, ...]] = {}
        """The keys of positions in each cube of the sky's unit sphere, which is as wide as ``NEAR``."""

    def add(self, did: SpectrumId, observation: Observation, label: str | None = None) -> None:
        """Take one more spectrum into account, and count it for its ``label``."""
        keys = _keys(did, observation)
        self.anonymous += keys[0] == _own_key(did)
        for key in keys:
            if key not in self._parents:
                self._parents[key] = key
                if key == _position_key(observation):
                    self._join_neighbours(key, observation)
            self._join(keys[0], key)
        if label is not None:
            self._labels[keys[0]][label] += 1

    def star(self, did: SpectrumId, observation: Observation) -> str:
        """Return the star of a spectrum that was added; KeyError if it was not."""
        return self._root(_keys(did, observation)[0])

    def labels(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many spectra of which label each star has."""
        stars: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for key, labels in self._labels.items():
            stars[self._root(key)].update(labels)
        return stars

    def _root(self, key: str) -> str:
        while (parent := self._parents[key]) != key:
            self._parents[key] = self._parents[parent]
            key = parent
        return key

    def _join(self, one: str, other: str) -> None:
        """Make one star of two; its key is the first in the order of texts, whichever came first."""
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first
        if self._on_join is not None and first != second:
            self._on_join(second, first)

    def _join_neighbours(self, key: str, observation: Observation) -> None:
        direction = _direction(observation.ra or 0.0, observation.dec or 0.0)
        cell = tuple(math.floor(value / _CHORD) for value in direction)
        for step in _AROUND:
            around = _number(tuple(at + by for at, by in zip(cell, step, strict=True)))
            for other in self._cells.get(around, ()):
                if self._root(other) != self._root(key) and math.dist(direction, _direction_of(other)) <= _CHORD:
                    self._join(key, other)
        self._cells[_number(cell)] = (*self._cells.get(_number(cell), ()), key)


def _number(cell: tuple[int, ...]) -> int:
    """Return one number for the three of a cell.

    A million cells would take 200 MB more as tuples.
    """
    x, y, z = cell
    return ((x << 20) + y << 20) + z


def _keys(did: SpectrumId, observation: Observation) -> list[str]:
    """Return the keys of a spectrum's star: name and position, or else the spectrum's DID."""
    name = _plain_name(observation.object_name)
    keys = [f"name {name}" if name else "", _position_key(observation)]
    return [key for key in keys if key] or [_own_key(did)]


def _own_key(did: SpectrumId) -> str:
    """Return the key of a spectrum that names neither object nor position."""
    return f"id {did}"


def _plain_name(name: str) -> str:
    """Return one spelling for all that mean the same object."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).replace("_", " ")
    bare = _ZEROS.sub("", folded[prefix.end() :] if (prefix := _SIMBAD.match(folded)) else folded)
    return _HYPHEN.sub("", "".join(bare.split()))


def _position_key(observation: Observation) -> str:
    unknown = observation.ra is None or (observation.ra, observation.dec) == (0, 0)
    return "" if unknown else f"place {observation.ra} {observation.dec}"


def _direction_of(key: str) -> Direction:
    """Return the direction of a position's key."""
    _, ra, dec = key.split()
    return _direction(float(ra), float(dec))


def _direction(ra: float, dec: float) -> Direction:
    right, up = math.radians(ra), math.radians(dec)
    return math.cos(up) * math.cos(right), math.cos(up) * math.sin(right), math.sin(up)
