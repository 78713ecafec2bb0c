"""Look at all samples before a data set is written: which columns it needs, and how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .preprocessing import Axis, axis_of
from .samples import Sample
from .schema import AXIS_NAMES, TEXT, Contents, ExportSchema
from .split import Split
from .stars import Objects

AUTOMATIC, EXPLICIT, COMPACT = "auto", "explicit", "compact"
"""How wavelengths are written: as fits, as a list in each row, or as start, step and count where that is exact."""


_NO_NUMBERS = np.empty(0)


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What the first pass needs of a sample: its scalars, and the lengths of its arrays.

    The arrays stay where they were read. sample: without its arrays. sizes: numbers in each array that it has.
    axis: what its wavelengths are exactly, None where they are not evenly spaced.
    """

    sample: Sample
    sizes: Mapping[str, int]
    axis: Axis | None


def summary_of(sample: Sample) -> SampleSummary:
    """Return the summary of a sample."""
    arrays = {
        "flux": sample.flux,
        "ivar": sample.uncertainty,
        "mask": sample.mask,
        "segment_lengths": sample.lengths or None,
    }
    sizes = {name: len(array) for name, array in arrays.items() if array is not None}
    scalars = replace(sample, wave=_NO_NUMBERS, flux=_NO_NUMBERS, uncertainty=None, mask=None)
    return SampleSummary(scalars, sizes, axis_of(sample.wave))


class FirstPass:
    """Collect from all samples what has to be known before the first one is written."""

    def __init__(self, schema: ExportSchema) -> None:
        self._schema = schema
        self._texts = {field.name for field in schema.scalars if field.kind == TEXT}
        self._filled: set[str] = set()
        self._longest: Counter[str] = Counter()
        self._units: set[str] = set()
        self._axes: set[Axis | None] = set()  # at most two: one more changes nothing
        self._spectra = 0
        self.objects = Objects()

    def add(self, summary: SampleSummary) -> None:
        """Take one more sample into account."""
        sample = summary.sample
        if self._schema.part:
            self.objects.add(sample.did, sample.observation, self._schema.class_of(sample.columns))
        for name, value in self._schema.row(sample, None).items():
            if name in self._texts:
                self._longest[name] = max(self._longest[name], len(str(value or "")))
            if value is not None and value != "":
                self._filled.add(name)
        for name, size in summary.sizes.items():
            self._filled.add(name)
            self._longest[name] = max(self._longest[name], size)
        self._filled |= {"wave"} if summary.axis is None else set(AXIS_NAMES)
        self._units.add(sample.flux_unit)
        self._spectra += 1
        if len(self._axes) < 2:
            self._axes.add(summary.axis)

    @property
    def grid(self) -> Axis | None:
        """The evenly spaced wavelengths that all spectra share.

        None if they do not, or if there is only one.
        """
        return next(iter(self._axes)) if len(self._axes) == 1 < self._spectra else None

    def wave_style(self, requested: str) -> str:
        """Return how wavelengths are written: as requested, else compact on one grid of all."""
        if requested != AUTOMATIC:
            return requested
        return EXPLICIT if self.grid is None else COMPACT

    def contents(self, wave: str, split: Split | None) -> Contents:
        """Return what was found, for columns whose wavelengths are written as ``wave`` says."""
        filled, longest = set(self._filled), dict(self._longest)
        if wave == EXPLICIT:
            filled = (filled - set(AXIS_NAMES)) | {"wave"}
        if split is not None:
            filled.add(split.column)
            longest[split.column] = max(map(len, split.names))
        unit = next(iter(self._units)) if len(self._units) == 1 else ""
        return Contents(frozenset(filled), longest, unit)
