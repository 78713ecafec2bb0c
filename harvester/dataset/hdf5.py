"""HDF5 in the layout of the notebooks that first worked on these spectra, so that they run on it.

``spectra/<name>`` is one data set of 2 x n float64, wavelengths (Angstrom) above flux, with the attributes ``date``,
``ra``, ``dec`` and ``label``. Theirs had the header's DATE as ``date``, the day on which somebody wrote a file; here it
is the middle of the exposure (TMID), spelled as theirs. What else is known stands in further attributes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from .fields import METADATA, Layout, Write
from .sample import Sample

DATE = "%Y-%m-%dT%H:%M:%S"


def require_h5py() -> None:
    """UsageError if h5py is not there: said before anything is read."""
    try:
        import h5py as _  # noqa: F401
    except ImportError:
        raise UsageError("HDF5 needs h5py: pip install 'harvester[hdf5]'") from None


@contextmanager
def hdf5_file(path: Path, layout: Layout, provenance: Mapping[str, Any]) -> Iterator[Write]:
    """An HDF5 file at ``path``; what it yields writes one spectrum into it."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs[METADATA] = json.dumps(provenance, sort_keys=True)
        spectra = file.create_group("spectra", track_times=False)

        def write(sample: Sample, part: str | None) -> None:
            data = np.stack([sample.wave, sample.flux])
            stored = spectra.create_dataset(sample.name, data=data, track_times=False)
            for name, value in _attributes(layout, sample, part).items():
                stored.attrs[name] = value

        yield write


def _attributes(layout: Layout, sample: Sample, part: str | None) -> dict[str, str | int | float]:
    told = layout.told(sample, part)
    label = next((column.name for column in layout.catalogue if column.source == layout.label), None)
    if label is not None:
        told["label"] = told[label]
    return {
        "date" if name == "time" else name: value.strftime(DATE) if isinstance(value, datetime) else value
        for name, value in told.items()
        if value is not None and name != "name"
    }
