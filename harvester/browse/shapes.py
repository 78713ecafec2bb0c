"""Compare spectra by their shape around H-alpha: nearest, doubtful and unusual ones.

Each is a row of ``h_alpha.OFFSETS`` points, in units of the continuum. Strong lines are compressed, so that the height
of an emission line does not outweigh its form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..dataset.h_alpha import OFFSETS, Rows
from ..report.data.gallery import distances

NEIGHBOURS = 9  # that vote on a label
MOST_VOTERS = 20_000  # labelled spectra that are compared with all others
_THIN = 2  # every second point is enough to rank neighbours
_SOFT = 0.3  # of the continuum: where compression begins
_BLOCK = 256

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Shapes:
    """The shapes of many spectra, by row number."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._places: dict[int, int] = {}
        self._rows = np.ones((1024, OFFSETS.size), np.float32)
        self._compared = compressed(self._rows)  # of all, since each look at a spectrum needs it

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, row: Rows) -> None:
        """Add the shape of a spectrum, or replace it."""
        place = self._places.setdefault(number, len(self.numbers))
        if place == len(self.numbers):
            self.numbers.append(number)
        if place == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._compared = np.concatenate([self._compared, np.empty_like(self._compared)])
        self._rows[place] = row
        self._compared[place] = compressed(row[None])

    @property
    def rows(self) -> Rows:
        """The rows as they were added, shape (spectra, points)."""
        return self._rows[: len(self.numbers)]

    def nearest(self, number: int, most: int) -> list[tuple[int, float]]:
        """Return numbers and distances of the most similar others; none if this one has no shape."""
        place = self._places.get(number)
        if place is None:
            return []
        comparable = self._compared[: len(self.numbers)]
        distance = np.linalg.norm(comparable - comparable[place], axis=1)
        distance[place] = np.inf
        found = np.argsort(distance, kind="stable")[:most]
        return [(self.numbers[at], float(distance[at])) for at in found if np.isfinite(distance[at])]


def compressed(rows: Rows) -> Rows:
    """Return the rows as they are compared."""
    compared: Rows = np.arcsinh((rows[:, ::_THIN] - 1) / _SOFT)
    return compared


def doubts(rows: Rows, labels: Sequence[str]) -> Floats:
    """Return for each row how doubtful its label is, from 0 to 1; NaN without votes.

    The nearest labelled rows vote, without the row itself. A labelled row is as doubtful as the share of votes for
    other labels; one without a label as the votes are divided: 0 if all agree, 1 if two labels have as many.
    """
    named = np.array(labels, dtype=str)
    labelled = np.flatnonzero(named != "")
    if labelled.size > MOST_VOTERS:
        labelled = labelled[np.linspace(0, labelled.size - 1, MOST_VOTERS).astype(np.intp)]
    found = np.full(len(rows), np.nan)
    if labelled.size < 2:
        return found
    comparable = compressed(rows)
    voters = comparable[labelled]
    for start in range(0, len(rows), _BLOCK):
        near = _nearest(comparable[start : start + _BLOCK], voters, labelled, start)
        for offset, places in enumerate(near):
            found[start + offset] = _doubt(str(named[start + offset]), named[labelled[places]].tolist())
    return found


def _nearest(block: Rows, voters: Rows, labelled: Places, start: int) -> Places:
    """Return for each row of ``block`` the places of its nearest voters, never of itself."""
    square = np.sum(voters**2, axis=1) - 2 * (block @ voters.T)
    here = np.searchsorted(labelled, np.arange(start, start + len(block)))
    for row, at in enumerate(here.tolist()):
        if at < labelled.size and labelled[at] == start + row:
            square[row, at] = np.inf
    most = min(NEIGHBOURS, labelled.size - 1)
    near: Places = np.argpartition(square, most - 1, axis=1)[:, :most]
    return near


def _doubt(own: str, votes: Sequence[str]) -> float:
    tally = Counter(votes)
    if own:
        return 1 - tally[own] / len(votes)
    first, second, *_ = [*sorted(tally.values(), reverse=True), 0, 0]
    return 1 - (first - second) / len(votes)


def unusual(rows: Rows, labels: Sequence[str]) -> Floats:
    """Return how far each row is from its label's median; NaN in small groups.

    The unit is the label's typical spread.
    """
    return distances(rows, labels)
