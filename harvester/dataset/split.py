"""Parts for training, validation and test: by star, by label, by a seed, and nearly the same when spectra are added.

Label by label (a star's is the one that most of its spectra have), stars that are large beside the smallest part go
where most room is left, the largest first. All others lie in an order that only the seed and their names decide, cut
where the shares ask for it: a new spectrum moves nobody but the stars at the cuts. What a label leaves over or lacks is
made up for by the next, so that rare labels, each for itself too small to be divided, come near the shares together.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

NAMES = {2: ("train", "test"), 3: ("train", "validation", "test")}

Weights = dict[str, int]
"""How many spectra each star has."""


@dataclass(frozen=True, slots=True)
class Split:
    """``shares`` add up to 1: train and test, or train, validation and test."""

    shares: tuple[float, ...]
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return NAMES[len(self.shares)]

    def parts(self, stars: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """The part of each of ``stars``, by how many spectra of which label it has."""
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
        """Large stars, one by one, to where most room is left; ``room`` is what then is left."""
        found: dict[str, int] = {}
        for star in sorted(weights, key=lambda star: (-weights[star], self._place(star))):
            found[star] = room.index(max(room))
            room[found[star]] -= weights[star]
        return found

    def _cut(self, weights: Weights, room: list[float]) -> dict[str, int]:
        """Small stars in their order, cut in proportion to ``room``."""
        found: dict[str, int] = {}
        whole, free = sum(weights.values()), [max(left, 0.0) for left in room]
        cuts = [whole * edge / (sum(free) or 1.0) for edge in accumulate(free)][:-1]
        done = 0
        for star in sorted(weights, key=self._place):
            found[star] = bisect_right(cuts, done + weights[star] / 2)
            room[found[star]] -= weights[star]
            done += weights[star]
        return found

    def _place(self, star: str) -> bytes:
        return hashlib.blake2b(f"{self.seed} {star}".encode(), digest_size=16).digest()


def _by_label(stars: Mapping[str, Mapping[str, int]]) -> Mapping[str, Weights]:
    strata: defaultdict[str, Weights] = defaultdict(dict)
    for star, labels in stars.items():
        most = max(labels.values())
        strata[min(label for label, count in labels.items() if count == most)][star] = sum(labels.values())
    return strata


def parse_shares(text: str) -> tuple[float, ...]:
    """``0.8,0.1,0.1`` as numbers. ValueError, in one clause, if they are no shares."""
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(_expected(shown=text)) from None
    if len(shares) not in NAMES or not all(0 < share < 1 for share in shares):
        raise ValueError(_expected(shown=text))
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"the shares add up to {sum(shares):g}, not to 1")
    return shares


def _expected(shown: Sequence[str]) -> str:
    return f"{shown!r} is no list of two shares (train, test) or three (train, validation, test), like 0.8,0.1,0.1"
