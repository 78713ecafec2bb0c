"""Look at all samples before a data set is written: which columns it needs, and how long."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .preprocessing import axis_of
from .samples import Sample
from .schema import AXIS_NAMES, TEXT, Contents, ExportSchema
from .split import Split
from .stars import Objects

AUTOMATIC, EXPLICIT, COMPACT = "auto", "explicit", "compact"
"""How wavelengths are written: as fits, as a list in each row, or as start, step and count where that is exact."""


class FirstPass:
    """Collect from all samples what has to be known before the first one is written."""

    def __init__(self, schema: ExportSchema) -> None:
        self._schema = schema
        self._texts = {field.name for field in schema.scalars if field.kind == TEXT}
        self._filled: set[str] = set()
        self._longest: Counter[str] = Counter()
        self._units: set[str] = set()
        self.objects = Objects()

    def add(self, sample: Sample) -> None:
        """Take one more sample into account."""
        if self._schema.part:
            self.objects.add(sample.did, sample.observation, self._schema.class_of(sample.columns))
        for name, value in self._schema.row(sample, None).items():
            if name in self._texts:
                self._longest[name] = max(self._longest[name], len(str(value or "")))
            if value is not None and value != "":
                self._filled.add(name)
        for name, value in self._schema.array_values(sample).items():
            if value is not None and name not in ("wave", *AXIS_NAMES):
                self._filled.add(name)
                self._longest[name] = max(self._longest[name], np.size(value))
        self._filled |= {"wave"} if axis_of(sample.wave) is None else set(AXIS_NAMES)
        self._units.add(sample.flux_unit)

    def wave_style(self, requested: str) -> str:
        """Return how wavelengths are written: as requested, else compact with ``--resample``.

        Without it the columns do not depend on which spectra are exported: a reader finds ``wave`` in every file.
        """
        if requested != AUTOMATIC:
            return requested
        return EXPLICIT if self._schema.size is None else COMPACT

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
