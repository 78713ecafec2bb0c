"""Compare spectra by their shape around H-alpha: nearest, doubtful and unusual ones.

A shape is the flux at every second point of ``h_alpha.OFFSETS``, in units of the continuum. Strong lines are
compressed, so that the height of an emission line does not outweigh its form, and the result is kept in half precision:
a million shapes take 190 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset.h_alpha import OFFSETS, Rows
from ..report.data.gallery import LEAST, mean_distance

NEIGHBOURS = 9  # that vote on a label
MOST_VOTERS = 20_000  # labelled spectra that are compared with all others
LEAST_VOTERS = 2_000
MOST_PAIRS = 10**9  # of spectra and voters, unless the voters would be too few: seconds of one core
_THIN = 2  # every second point is enough to rank neighbours
_SOFT = 0.3  # of the continuum: where compression begins
_BLOCK = 256  # shapes whose distances from all voters are in memory at once
_POINTS_AT_ONCE = 4  # of all shapes of a label, as numbers of full precision
_SEARCHED = 16_384  # shapes that are searched at once

Shape = NDArray[np.float16]
"""Compressed shapes; shape (spectra, points)."""
Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Codes = NDArray[np.intp]


class Shapes:
    """The shapes of many spectra, by row number."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self._places = array("q")  # by row number, -1 without a shape
        self._compared = np.empty((1024, OFFSETS[::_THIN].size), np.float16)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, row: Rows) -> None:
        """Add the shape of a spectrum, or replace it; ``row`` has all points of ``OFFSETS``."""
        if number >= len(self._places):
            self._places.extend([-1] * (number + 1 + len(self._places) // 2 - len(self._places)))
        if (place := self._places[number]) < 0:
            place = self._places[number] = len(self.numbers)
            self.numbers.append(number)
        if place == len(self._compared):
            self._compared = np.concatenate([self._compared, np.empty_like(self._compared)])
        self._compared[place] = compressed(row[None])[0]

    @property
    def compared(self) -> Shape:
        """The shapes as they are compared, in the order of ``numbers``."""
        return self._compared[: len(self.numbers)]

    def nearest(self, number: int, most: int) -> list[tuple[int, float]]:
        """Return numbers and distances of the most similar others; none if this one has no shape."""
        place = self._places[number] if number < len(self._places) else -1
        return [] if place < 0 else self._search(self._compared[place], most, place)

    def nearest_to(self, row: Rows, most: int) -> list[tuple[int, float]]:
        """Return numbers and distances of those most similar to a spectrum that is none of them."""
        return self._search(compressed(row[None])[0], most, None)

    def _search(self, wanted: Shape, most: int, without: int | None) -> list[tuple[int, float]]:
        shapes, distance = self.compared, np.empty(len(self), np.float32)
        for start in range(0, len(shapes), _SEARCHED):
            apart = shapes[start : start + _SEARCHED].astype(np.float32) - wanted
            distance[start : start + _SEARCHED] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        if without is not None:
            distance[without] = np.inf
        few = min(most, len(distance))
        near: Places = np.argpartition(distance, few - 1)[:few] if few else np.empty(0, np.intp)
        found = sorted((float(distance[at]), int(at)) for at in near)
        return [(self.numbers[at], apart) for apart, at in found if np.isfinite(apart)]


def compressed(rows: Rows) -> Shape:
    """Return the shapes of rows as they are compared."""
    shapes: Shape = np.arcsinh((rows[:, ::_THIN] - 1) / _SOFT).astype(np.float16)
    return shapes


def doubts(shapes: Shape, labels: Sequence[str]) -> Floats:
    """Return for each shape how doubtful its label is, from 0 to 1; NaN without votes.

    The nearest labelled ones vote, without the shape itself. A labelled one is as doubtful as the share of votes for
    other labels; one without a label as the votes are divided: 0 if all agree, 1 if two labels have as many.
    """
    codes = _codes(labels)
    labelled = np.flatnonzero(codes)
    voting = max(LEAST_VOTERS, min(MOST_VOTERS, MOST_PAIRS // max(1, len(shapes))))
    if labelled.size > voting:
        labelled = labelled[np.linspace(0, labelled.size - 1, voting).astype(np.intp)]
    found = np.full(len(shapes), np.nan)
    if labelled.size < 2:
        return found
    voters = shapes[labelled].astype(np.float32)
    for start in range(0, len(shapes), _BLOCK):
        some = slice(start, start + _BLOCK)
        near = _nearest(shapes[some].astype(np.float32), voters, labelled, start)
        found[some] = _divided(codes[some], codes[labelled[near]])
    return found


def _codes(labels: Sequence[str]) -> Codes:
    """Return a number for each label, 0 for ''."""
    known: dict[str, int] = {"": 0}
    return np.fromiter((known.setdefault(label, len(known)) for label in labels), np.intp, len(labels))


def _nearest(block: NDArray[np.float32], voters: NDArray[np.float32], labelled: Places, start: int) -> Places:
    """Return for each row of ``block`` the places of its nearest voters, never of itself."""
    square = np.sum(voters**2, axis=1) - 2 * (block @ voters.T)
    here = np.searchsorted(labelled, np.arange(start, start + len(block)))
    for row, at in enumerate(here.tolist()):
        if at < labelled.size and labelled[at] == start + row:
            square[row, at] = np.inf
    most = min(NEIGHBOURS, labelled.size - 1)
    near: Places = np.argpartition(square, most - 1, axis=1)[:, :most]
    return near


def _divided(own: Codes, votes: Codes) -> Floats:
    """Return the doubt of each row, by its own label and its votes: (rows, votes)."""
    equal = votes[:, :, None] == votes[:, None, :]
    counts = equal.sum(axis=2)
    first = counts.max(axis=1)
    winner = np.take_along_axis(votes, counts.argmax(axis=1)[:, None], axis=1)
    second = np.where(votes == winner, 0, counts).max(axis=1)
    against = (votes != own[:, None]).mean(axis=1)
    doubt: Floats = np.where(own > 0, against, 1 - (first - second) / votes.shape[1])
    return doubt


def unusual(shapes: Shape, labels: Sequence[str]) -> Floats:
    """Return how far each shape is from its label's median; NaN in small groups.

    The unit is the label's typical spread.
    """
    codes, found = _codes(labels), np.full(len(shapes), np.nan)
    for code in np.unique(codes):
        alike = np.flatnonzero(codes == code)
        if alike.size >= LEAST:
            found[alike] = mean_distance(_blocks(shapes, alike))
    return found


def _blocks(shapes: Shape, places: Places) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield the flux of some shapes, a few points at a time: all at once may be large."""
    for at in range(0, shapes.shape[1], _POINTS_AT_ONCE):
        yield 1 + _SOFT * np.sinh(shapes[places, at : at + _POINTS_AT_ONCE].astype(np.float32))
