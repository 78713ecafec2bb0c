"""Write HDF5 in the form of the notebooks that first worked on these spectra.

``spectra/<name>`` is one data set of 2 x n float64, wavelengths (Angstrom) above flux, with the attributes ``date``,
``ra``, ``dec`` and ``label``. Theirs had the header's DATE as ``date``, the day on which the file was written; here it
is the middle of the exposure (TMID), in the same format. Everything else is in further attributes; ``uncertainty/``
and ``mask/`` have data sets of the same names for spectra with uncertainties or flagged points.
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
from ..model.invocation import install_line
from .samples import Sample
from .schema import METADATA, ExportSchema, MetadataValue, Write, time_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def require_h5py() -> None:
    """Raise UsageError if h5py is missing, before anything is read."""
    try:
        import h5py as _  # noqa: F401
    except ImportError:
        raise UsageError(f"HDF5 needs h5py: {install_line('specharvest[hdf5]')}") from None


@contextmanager
def hdf5_file(path: Path, layout: ExportSchema, provenance: Mapping[str, Any]) -> Iterator[Write]:
    """Open an HDF5 file at ``path`` and yield what writes one spectrum into it."""
    import h5py

    with _Disk(path) as disk, h5py.File(disk, "w") as file:
        file.attrs[METADATA] = json.dumps(provenance, sort_keys=True)
        spectra = file.create_group("spectra", track_times=False)

        def write(sample: Sample, part: str | None) -> None:
            data = np.stack([sample.wave, sample.flux])
            stored = spectra.create_dataset(sample.name, data=data, track_times=False)
            for name, value in _attributes(layout, sample, part).items():
                stored.attrs[name] = value
            if sample.uncertainty is not None:
                file.create_dataset(f"uncertainty/{sample.name}", data=sample.uncertainty, track_times=False)
            if sample.mask is not None:
                file.create_dataset(f"mask/{sample.name}", data=sample.mask, track_times=False)
            disk.check()

        yield write


class _Disk(io.FileIO):
    """A new file that records its first error and raises it only in ``check``.

    libhdf5 does not survive a write that fails, for example on a full disk: it logs thousands of errors, then crashes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write all of ``data``; record the first error instead of raising it."""
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        try:
            while rest and self._error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size; record the first error instead of raising it."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
        return size or 0

    def check(self) -> None:
        """Raise OSError if a write has failed."""
        if self._error is not None:
            raise self._error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if error is None:
            self.check()


def _attributes(layout: ExportSchema, sample: Sample, part: str | None) -> dict[str, MetadataValue]:
    row = layout.row(sample, part)
    label = next((column.name for column in layout.catalog if column.source == layout.label), None)
    if label is not None:
        row["label"] = row[label]
    mjd = sample.observation.mjd
    row["date"] = None if mjd is None else f"{time_of(mjd, timedelta(seconds=1)):%Y-%m-%dT%H:%M:%S}"
    return {name: value for name, value in row.items() if value not in (None, "") and name not in ("name", "time")}
