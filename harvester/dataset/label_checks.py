"""Label sanity: labelled spectra that somebody should look at again. Counted and listed, never acted upon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..fits.observation import H_ALPHA_AIR, H_ALPHA_VACUUM
from ..ledger.queries import FailureRecord
from ..model.failures import FailureKind
from ..model.labels import Labelling
from .h_alpha import Rows, has_emission

ARCHIVE_LACKS = frozenset({FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.NO_DATA})
LEAST_CORRELATION = 0.9995
MOST_APART = 0.01  # of the continuum, root mean square: what two exposures of one star differ by, at least
MOST_PAIRS = 10_000  # that are listed; all are counted
_BLOCK = 256
_CANDIDATES = 16_384  # pairs that are compared at once
_THIN = 3  # every third point of the grid is enough to find candidates

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LabelledSpectrum:
    """A stored spectrum as the checks need it. wave_min, wave_max: metres; row: its number among the rows, if any."""

    did: str
    label: str
    wave_min: float | None
    wave_max: float | None
    flux_digest: bytes
    row: int | None

    @property
    def shows_h_alpha(self) -> bool:
        """Whether H-alpha, in air or in vacuum, lies in its range; a range that nobody recorded does not tell."""
        low, high = self.wave_min, self.wave_max
        return low is None or high is None or (low <= H_ALPHA_VACUUM * 1e-10 and high >= H_ALPHA_AIR * 1e-10)


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """One spectrum under its label, or two under theirs, that somebody should look at."""

    dids: tuple[str, ...]
    labels: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What the checks found. ``no_emission`` is None where nobody said which labels mean emission.

    checked: labelled spectra that were looked at; twins: as many as are listed; twins_counted: all of them.
    """

    column: str
    checked: int
    lacking: Sequence[LabelIssue]
    without_h_alpha: Sequence[LabelIssue]
    no_emission: Sequence[LabelIssue] | None
    twins: Sequence[LabelIssue]
    twins_counted: int

    def as_json(self) -> Mapping[str, object]:
        def told(doubts: Sequence[LabelIssue] | None) -> object:
            return None if doubts is None else [{"ids": d.dids, "labels": d.labels, "why": d.why} for d in doubts]

        return {
            "column": self.column,
            "checked": self.checked,
            "lacking": told(self.lacking),
            "without_h_alpha": told(self.without_h_alpha),
            "no_emission": told(self.no_emission),
            "near_identical": told(self.twins),
            "near_identical_counted": self.twins_counted,
        }


def check_labels(
    spectra: Sequence[LabelledSpectrum], rows: Rows, failures: Sequence[FailureRecord], labelling: Labelling
) -> LabelReport:
    """Hold the labels against the spectra, and against what the archive would not give."""
    labelled = [one for one in spectra if one.label]
    pairs = list(_twins(labelled, rows))
    return LabelReport(
        labelling.column,
        len(labelled),
        [
            LabelIssue((failure.did,), (label,), failure.kind.meaning)
            for failure in failures
            if failure.kind in ARCHIVE_LACKS and (label := failure.columns.get(labelling.column, ""))
        ],
        [LabelIssue((one.did,), (one.label,), _range_of(one)) for one in labelled if not one.shows_h_alpha],
        _without_emission(labelled, rows, labelling) if labelling.emission else None,
        [LabelIssue((a.did, b.did), (a.label, b.label), why) for a, b, why in pairs[:MOST_PAIRS]],
        len(pairs),
    )


def _range_of(one: LabelledSpectrum) -> str:
    return f"{(one.wave_min or 0) * 1e10:.0f} to {(one.wave_max or 0) * 1e10:.0f} Angstrom"


def _without_emission(labelled: Sequence[LabelledSpectrum], rows: Rows, labelling: Labelling) -> list[LabelIssue]:
    rising = has_emission(rows)
    return [
        LabelIssue((one.did,), (one.label,), "nothing rises above its surroundings near H-alpha")
        for one in labelled
        if one.label in labelling.emission and one.row is not None and not rising[one.row]
    ]


def _twins(
    labelled: Sequence[LabelledSpectrum], rows: Rows
) -> Iterator[tuple[LabelledSpectrum, LabelledSpectrum, str]]:
    """Pairs under different labels: first those with the very same flux, then those that are nearly the same."""
    first: dict[bytes, list[LabelledSpectrum]] = {}
    for one in labelled:
        same = first.setdefault(one.flux_digest, [])
        yield from ((other, one, "the same flux to the last bit") for other in same if other.label != one.label)
        if all(other.label != one.label for other in same):
            same.append(one)
    compared = [one for one in labelled if one.row is not None]
    for a, b in _alike(rows[[one.row for one in compared if one.row is not None]], [one.label for one in compared]):
        if compared[a].flux_digest != compared[b].flux_digest:
            yield compared[a], compared[b], "nearly the same flux around H-alpha"


def _alike(rows: Rows, labels: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of rows with different labels that correlate and lie within each other's noise, block by block."""
    numbers = np.unique(np.array(labels, str), return_inverse=True)[1] if labels else np.empty(0, int)
    shape = rows[:, ::_THIN] - rows[:, ::_THIN].mean(axis=1, keepdims=True)
    shape /= np.maximum(np.linalg.norm(shape, axis=1, keepdims=True), 1e-9)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        near = shape[block] @ shape[start:].T > LEAST_CORRELATION
        near &= numbers[block, None] != numbers[None, start:]
        ones, others = np.nonzero(near)
        once = ones < others
        yield from _close(rows, ones[once] + start, others[once] + start)


def _close(rows: Rows, ones: Places, others: Places) -> Iterator[tuple[int, int]]:
    """Those pairs whose rows differ by less than two exposures of one star would."""
    for start in range(0, ones.size, _CANDIDATES):
        a, b = ones[start : start + _CANDIDATES], others[start : start + _CANDIDATES]
        near = np.sqrt(np.mean((rows[a] - rows[b]) ** 2, axis=1)) < MOST_APART
        yield from zip(a[near].tolist(), b[near].tolist(), strict=True)
