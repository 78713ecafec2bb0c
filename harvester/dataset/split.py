"""Split into training, validation and test, or into folds: by star, label and seed.

Label by label (a star's is the one that most of its spectra have), stars that are large beside the smallest part go
where most room is left, the largest first. All others lie in an order that only the seed and their names decide, cut
where the shares say: a new spectrum moves only the stars at the cuts. What a label leaves over or lacks is made up for
by the next, so that rare labels, each too small to be divided, come near the shares together.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

NAMES = {2: ("train", "test"), 3: ("train", "validation", "test")}
MOST_FOLDS = 100

Weights = dict[str, int]
"""Spectra of each star."""


@dataclass(frozen=True, slots=True)
class Split:
    """Shares that add up to 1: train and test, with or without validation, or equal folds."""

    shares: tuple[float, ...]
    seed: int = 0
    folds: bool = False

    @classmethod
    def into_folds(cls, number: int, seed: int = 0) -> Split:
        """Return a split into ``number`` folds of equal size, for cross-validation."""
        return cls((1 / number,) * number, seed, folds=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The parts, in order."""
        return tuple(f"fold_{at}" for at in range(len(self.shares))) if self.folds else NAMES[len(self.shares)]

    @property
    def column(self) -> str:
        """The data set's column with the name of the part."""
        return "fold" if self.folds else "split"

    def parts(self, stars: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """Return the part of each of ``stars``, given how many spectra of which label it has."""
        room = [0.0 for _ in self.shares]
        found: dict[str, int] = {}
        for _, weights in sorted(_by_label(stars).items()):
            whole = sum(weights.values())
            room = [left + share * whole for left, share in zip(room, self.shares, strict=True)]
            large = {star for star, weight in weights.items() if 2 * weight > min(self.shares) * whole}
            found |= self._spread({star: weights[star] for star in large}, room)
            found |= self._cut({star: weight for star, weight in weights.items() if star not in large}, room)
        return {star: self.names[part] for star, part in found.items()}

    def _spread(self, weights: Weights, room: list[float]) -> dict[str, int]:
        """Put large stars, one by one, where most room is left; ``room`` is updated."""
        found: dict[str, int] = {}
        for star in sorted(weights, key=lambda star: (-weights[star], self._rank(star))):
            found[star] = room.index(max(room))
            room[found[star]] -= weights[star]
        return found

    def _cut(self, weights: Weights, room: list[float]) -> dict[str, int]:
        """Cut the small stars, in their order, in proportion to ``room``."""
        found: dict[str, int] = {}
        whole, free = sum(weights.values()), [max(left, 0.0) for left in room]
        cuts = [whole * edge / (sum(free) or 1.0) for edge in accumulate(free)][:-1]
        done = 0
        for star in sorted(weights, key=self._rank):
            found[star] = bisect_right(cuts, done + weights[star] / 2)
            room[found[star]] -= weights[star]
            done += weights[star]
        return found

    def _rank(self, star: str) -> bytes:
        return hashlib.blake2b(f"{self.seed} {star}".encode(), digest_size=16).digest()


def _by_label(stars: Mapping[str, Mapping[str, int]]) -> Mapping[str, Weights]:
    strata: defaultdict[str, Weights] = defaultdict(dict)
    for star, labels in stars.items():
        most = max(labels.values())
        strata[min(label for label, count in labels.items() if count == most)][star] = sum(labels.values())
    return strata


def parse_shares(text: str) -> tuple[float, ...]:
    """Parse shares such as ``0.8,0.1,0.1``; ValueError, in one clause, for anything else."""
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(_expected(text)) from None
    if len(shares) not in NAMES or not all(0 < share < 1 for share in shares):
        raise ValueError(_expected(text))
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"the shares add up to {sum(shares):g}, not to 1")
    return shares


def _expected(text: str) -> str:
    return f"{text!r} is not a list of two shares (train, test) or three (train, validation, test), like 0.8,0.1,0.1"
