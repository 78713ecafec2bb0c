"""Check labels: list labelled spectra that deserve a second look, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..catalog.reader import Conflict
from ..fits.observation import H_ALPHA_AIR, H_ALPHA_VACUUM
from ..ledger.queries import FailureRecord
from ..model.failures import FailureKind
from ..model.labels import Labelling
from .h_alpha import Rows, has_emission

MISSING_IN_ARCHIVE = frozenset({FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.NO_DATA})
LEAST_CORRELATION = 0.9995
LEAST_DIFFERENCE = 0.01  # of the continuum, root mean square: two exposures of one star differ by more
MOST_PAIRS = 10_000  # that are listed; all are counted
_BLOCK = 256
_CANDIDATES = 16_384  # pairs that are compared at once
_THIN = 3  # every third point of the grid is enough to find candidates

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LabelledSpectrum:
    """A stored spectrum as the checks need it. wave_min, wave_max: metres.

    row: its index in the rows, or None.
    """

    did: str
    label: str
    wave_min: float | None
    wave_max: float | None
    flux_digest: bytes
    row: int | None

    @property
    def shows_h_alpha(self) -> bool:
        """Whether H-alpha, in air or in vacuum, lies in its range, or may if that is unknown."""
        low, high = self.wave_min, self.wave_max
        return low is None or high is None or (low <= H_ALPHA_VACUUM * 1e-10 and high >= H_ALPHA_AIR * 1e-10)


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """One spectrum and its label, or two and theirs, that deserve a second look."""

    dids: tuple[str, ...]
    labels: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class LabelReport:
    """The results of the checks.

    ``no_emission`` is None where the settings name no emission labels.

    checked: number of labelled spectra; twins: those that are listed; twins_counted: the number of all.
    """

    column: str
    checked: int
    missing: Sequence[LabelIssue]
    without_h_alpha: Sequence[LabelIssue]
    no_emission: Sequence[LabelIssue] | None
    twins: Sequence[LabelIssue]
    twins_counted: int
    conflicting: Sequence[LabelIssue] = ()

    def as_json(self) -> Mapping[str, object]:
        """Return the results as ``report --json`` has them."""

        def listed(issues: Sequence[LabelIssue] | None) -> object:
            if issues is None:
                return None
            return [{"ids": issue.dids, "labels": issue.labels, "why": issue.reason} for issue in issues]

        return {
            "column": self.column,
            "checked": self.checked,
            "lacking": listed(self.missing),
            "without_h_alpha": listed(self.without_h_alpha),
            "no_emission": listed(self.no_emission),
            "near_identical": listed(self.twins),
            "near_identical_counted": self.twins_counted,
            "conflicting": listed(self.conflicting),
        }


def check_labels(
    spectra: Sequence[LabelledSpectrum],
    rows: Rows,
    failures: Sequence[FailureRecord],
    labelling: Labelling,
    conflicts: Sequence[Conflict] = (),
) -> LabelReport:
    """Check the labels against spectra, failures of the archive, and each other."""
    labelled = [one for one in spectra if one.label]
    pairs = list(_twins(labelled, rows))
    return LabelReport(
        labelling.column,
        len(labelled),
        [
            LabelIssue((failure.did,), (label,), failure.kind.meaning)
            for failure in failures
            if failure.kind in MISSING_IN_ARCHIVE and (label := failure.columns.get(labelling.column, ""))
        ],
        [LabelIssue((one.did,), (one.label,), _range_of(one)) for one in labelled if not one.shows_h_alpha],
        _without_emission(labelled, rows, labelling) if labelling.emission else None,
        [LabelIssue((a.did, b.did), (a.label, b.label), reason) for a, b, reason in pairs[:MOST_PAIRS]],
        len(pairs),
        [
            LabelIssue((one.did,), (one.kept, one.other), "the catalog lists it twice; the first label is used")
            for one in conflicts
            if one.column == labelling.column
        ],
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
    """Yield pairs under different labels: first with equal flux, then with nearly equal flux."""
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
    """Yield pairs of rows with different labels that correlate and agree within the noise."""
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
    """Yield those pairs whose rows differ by less than two exposures of one star would."""
    for start in range(0, ones.size, _CANDIDATES):
        a, b = ones[start : start + _CANDIDATES], others[start : start + _CANDIDATES]
        near = np.sqrt(np.mean((rows[a] - rows[b]) ** 2, axis=1)) < LEAST_DIFFERENCE
        yield from zip(a[near].tolist(), b[near].tolist(), strict=True)
