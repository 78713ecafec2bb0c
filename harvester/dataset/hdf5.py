"""HDF5 in the layout of the notebooks that first worked on these spectra, so that they run on it.

``spectra/<name>`` is one data set of 2 x n float64, wavelengths (Angstrom) above flux, with the attributes ``date``,
``ra``, ``dec`` and ``label``. Theirs had the header's DATE as ``date``, the day on which somebody wrote a file; here it
is the middle of the exposure (TMID), spelled as theirs. What else is known stands in further attributes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from .samples import Sample
from .schema import METADATA, ExportSchema, MetadataText, Write, time_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def require_h5py() -> None:
    """UsageError if h5py is not there: said before anything is read."""
    try:
        import h5py as _  # noqa: F401
    except ImportError:
        raise UsageError("HDF5 needs h5py: pip install 'harvester[hdf5]'") from None


@contextmanager
def hdf5_file(path: Path, layout: ExportSchema, provenance: Mapping[str, Any]) -> Iterator[Write]:
    """An HDF5 file at ``path``; what it yields writes one spectrum into it."""
    import h5py

    with _Disk(path) as disk, h5py.File(disk, "w") as file:
        file.attrs[METADATA] = json.dumps(provenance, sort_keys=True)
        spectra = file.create_group("spectra", track_times=False)

        def write(sample: Sample, part: str | None) -> None:
            data = np.stack([sample.wave, sample.flux])
            stored = spectra.create_dataset(sample.name, data=data, track_times=False)
            for name, value in _attributes(layout, sample, part).items():
                stored.attrs[name] = value
            disk.check()

        yield write


class _Disk(io.FileIO):
    """A new file that keeps its first fault to itself until it is asked.

    libhdf5 does not survive a write that fails, a full disk's for one: it complains thousands of times, then crashes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._fault: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        left = memoryview(data).cast("B")
        size = left.nbytes
        try:
            while left and self._fault is None:
                left = left[super().write(left) :]
        except OSError as error:
            self._fault = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._fault = self._fault or error
        return size or 0

    def check(self) -> None:
        """OSError if a write has failed."""
        if self._fault is not None:
            raise self._fault

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if error is None:
            self.check()


def _attributes(layout: ExportSchema, sample: Sample, part: str | None) -> dict[str, MetadataText]:
    told = layout.told(sample, part)
    label = next((column.name for column in layout.catalog if column.source == layout.label), None)
    if label is not None:
        told["label"] = told[label]
    mjd = sample.observation.mjd
    told["date"] = None if mjd is None else f"{time_of(mjd, timedelta(seconds=1)):%Y-%m-%dT%H:%M:%S}"
    return {name: value for name, value in told.items() if value is not None and name not in ("name", "time")}
