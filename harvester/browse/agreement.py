"""Measure how far people agree on labels: the share of equal ones, and Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two labellers agree on what both have labelled.

    kappa: 1 is perfect, 0 is what chance would do; None where only one label was ever given, or nothing by both.
    """

    one: str
    other: str
    both: int
    equal: int
    kappa: float | None
    different: Sequence[str]
    """The DIDs with two labels."""


def agreements(labellers: Mapping[str, Mapping[str, str]]) -> list[Agreement]:
    """Return the agreement of each pair of labellers; each has labels by DID."""
    return [_of_pair(one, other, labellers[one], labellers[other]) for one, other in combinations(labellers, 2)]


def _of_pair(one: str, other: str, first: Mapping[str, str], second: Mapping[str, str]) -> Agreement:
    both = [did for did in first if did in second]
    different = [did for did in both if first[did] != second[did]]
    equal = len(both) - len(different)
    kappa = cohen_kappa([first[did] for did in both], [second[did] for did in both])
    return Agreement(one, other, len(both), equal, kappa, different)


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's kappa of two lists of labels of the same things (Cohen 1960).

    None where chance alone would agree always, or the lists are empty.
    """
    total = len(first)
    if not total:
        return None
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / total
    ones, others = Counter(first), Counter(second)
    expected = sum(ones[label] * others[label] for label in ones) / total**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def disputed(labellers: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the DIDs that have different labels from different labellers."""
    first: dict[str, str] = {}
    found: set[str] = set()
    for labels in labellers.values():
        for did, label in labels.items():
            if first.setdefault(did, label) != label:
                found.add(did)
    return found
