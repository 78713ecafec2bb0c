"""Describe the columns of a data set, for its files, their metadata and the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from ..fits.observation import moment
from .catalog_columns import CatalogColumn, Kind
from .preprocessing import axis_of
from .samples import Array, Sample

MetadataValue = str | int | float | datetime

METADATA = "harvester"
"""The metadata key under which a file says, as JSON, where its spectra come from and how they were prepared."""

Write = Callable[[Sample, "str | None"], None]
"""Write one spectrum, and the part it is in, into a file."""

TEXT, REAL, INTEGER, TIME = "string", "float64", "int64", "timestamp[ms, UTC]"
_REALS, _INTEGERS, _FLAGS = "list<float64>", "list<int64>", "list<bool>"
_KINDS = {Kind.INTEGER: INTEGER, Kind.NUMBER: REAL, Kind.TEXT: TEXT}


@dataclass(frozen=True, slots=True)
class ExportField:
    """One column. ``kind`` is a type as Arrow spells it; ``unit`` as in VOUnits, '' for none.

    ucd: as in UCD1+; longest: characters of the longest text in it, or numbers of the longest list, where that is
    known; size: numbers of every list, 0 if they differ or a list may be missing, which astropy cannot stack.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    ucd: str = ""
    longest: int = 0
    size: int = 0


_ID = ExportField("id", TEXT, "", "publisher DID", "meta.ref.ivoid;meta.main")
_NAME = ExportField("name", TEXT, "", "name of the spectrum's file in the harvest, without .fits", "meta.id")
_OBSERVATION = (
    ExportField("object", TEXT, "", "what was observed, from OBJECT or the like; empty if unknown", "meta.id;src"),
    ExportField("ra", REAL, "deg", "right ascension, ICRS", "pos.eq.ra;meta.main"),
    ExportField("dec", REAL, "deg", "declination, ICRS", "pos.eq.dec;meta.main"),
    ExportField(
        "mjd", REAL, "d", "middle of the exposure, modified Julian date, from TMID, or its start and its length",
        "time.epoch;obs",
    ),
    ExportField("exposure", REAL, "s", "exposure time, else the time that elapsed", "time.duration;obs.exposure"),
)  # fmt: skip
_TIME = ExportField("time", TIME, "", "mjd as a date and time, UT, to the millisecond", "time.epoch;obs")
_WAVE = ExportField("wave", _REALS, "Angstrom", "wavelengths, as many as flux", "em.wl")
_AXIS = (
    ExportField("wave_start", REAL, "Angstrom", "first wavelength, where they are evenly spaced", "em.wl"),
    ExportField("wave_step", REAL, "Angstrom", "their step", "em.wl;spect.binSize"),
    ExportField("wave_count", INTEGER, "", "their number: wave_start + wave_step * numpy.arange(wave_count)"),
)
_MEDIUM = ExportField("medium", TEXT, "", "what the wavelengths are of: Air or Vacuum; empty if unknown", "meta.code")
_FLUX_UNIT = ExportField("flux_unit", TEXT, "", "unit of the flux, empty where the file names none", "meta.unit")
_DIGESTS = (
    ExportField("sha256", TEXT, "", "SHA-256 of the FITS file that this was read from", "meta.checksum"),
    ExportField("content_digest", TEXT, "", "SHA-256 of the file's content without volatile cards", "meta.checksum"),
)
_IVAR = ExportField("ivar", _REALS, "", "inverse variance of flux; 0 where the uncertainty is unknown", "stat.weight")
_MASK = ExportField("mask", _FLAGS, "", "true where the archive flags the point as bad", "meta.code.qual")
_LENGTHS = ExportField("segment_lengths", _INTEGERS, "", "points of each segment, such as an echelle order")

AXIS_NAMES = tuple(field.name for field in _AXIS)

NAMES = frozenset(
    field.name
    for field in (_ID, _NAME, *_OBSERVATION, _TIME, _WAVE, *_AXIS, _MEDIUM, _FLUX_UNIT, *_DIGESTS, _IVAR, _MASK)
) | {"segment_lengths", "flux", "date", "split", "fold"}
"""The names that no column of a catalog keeps."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one look at all samples found, which decides the columns.

    filled: names of the columns that have a value; longest: by column, the longest text or list.
    flux_unit: the one unit of all, '' if there are several.
    """

    filled: frozenset[str]
    longest: Mapping[str, int]
    flux_unit: str


@dataclass(frozen=True, slots=True)
class ExportSchema:
    """The columns of one data set.

    flux: ``float64`` or ``float32``. label: the catalog's column with the class. part: the column that tells the parts
    of a split (``split`` or ``fold``), '' without one. wave: ``explicit`` or ``compact``. size: points of every
    spectrum, where all are on one grid. contents: what the samples have; until it is known, all
    columns are there.
    """

    catalog: tuple[CatalogColumn, ...]
    flux: str = "float64"
    part: str = ""
    label: str = "label"
    wave: str = "explicit"
    size: int | None = None
    contents: Contents | None = None

    @property
    def scalars(self) -> tuple[ExportField, ...]:
        """All columns but wavelengths, flux and what goes with it."""
        part = ExportField(self.part, TEXT, "", "the part of the data set that the spectrum's star is in", "meta.code")
        own = (_ID, _NAME, *self._of_catalog, *_OBSERVATION, _MEDIUM, _FLUX_UNIT, *_DIGESTS)
        return self._present((*own, *([part] if self.part else []), _TIME))

    @property
    def arrays(self) -> tuple[ExportField, ...]:
        """The wavelengths, the flux, and what goes with it."""
        explicit = (_WAVE,) if self.wave == "explicit" else (*_AXIS, _WAVE)
        unit = self.contents.flux_unit if self.contents else ""
        flux = ExportField("flux", f"list<{self.flux}>", unit, self._flux_meaning, "phot.flux.density;em.wl")
        sized = (replace(field, size=self.size or 0) if field.name in ("wave", "flux") else field for field in explicit)
        return self._present((*sized, replace(flux, size=self.size or 0), _IVAR, _MASK, _LENGTHS))

    @property
    def fields(self) -> tuple[ExportField, ...]:
        """All columns of a Parquet file, in their order."""
        return (*self.scalars, *self.arrays)

    def _present(self, fields: tuple[ExportField, ...]) -> tuple[ExportField, ...]:
        """Return those that some spectrum has a value for, with the length of the longest one."""
        known = self.contents
        if known is None:
            return fields
        return tuple(
            replace(field, longest=known.longest.get(field.name, 0)) for field in fields if field.name in known.filled
        )

    @property
    def _of_catalog(self) -> tuple[ExportField, ...]:
        return tuple(
            ExportField(column.name, _KINDS[column.kind], "", f"the catalog's column {column.source!r}")
            for column in self.catalog
        )

    @property
    def _flux_meaning(self) -> str:
        exact = "as the archive's file has it" if self.flux == "float64" else "rounded to seven digits"
        return f"flux at these wavelengths, {exact}"

    def row(self, sample: Sample, part: str | None) -> dict[str, MetadataValue | None]:
        """Return the scalars of one spectrum; None is an unknown number, '' an unknown text."""
        observation = sample.observation
        return {
            "id": sample.did,
            "name": sample.name,
            **{column.name: _catalog_value(column, sample) for column in self.catalog},
            "object": observation.object_name,
            "ra": observation.ra,
            "dec": observation.dec,
            "mjd": observation.mjd,
            "time": None if observation.mjd is None else time_of(observation.mjd, timedelta(milliseconds=1)),
            "exposure": observation.exposure,
            "medium": observation.medium,
            "flux_unit": sample.flux_unit,
            "sha256": sample.sha256 or "",
            "content_digest": sample.content_digest or "",
            **({self.part: part} if self.part else {}),
        }

    def array_values(self, sample: Sample) -> dict[str, Any]:
        """Return the wavelengths, the flux, and what goes with it.

        None is what the spectrum does not have.
        """
        axis = axis_of(sample.wave) if self.wave == "compact" else None
        values: dict[str, Any] = {
            "wave_start": None if axis is None else axis.start,
            "wave_step": None if axis is None else axis.step,
            "wave_count": None if axis is None else axis.count,
            "wave": sample.wave if axis is None else None,
            "flux": sample.flux.astype(self.flux),
            "ivar": None if sample.uncertainty is None else inverse_variance(sample.uncertainty),
            "mask": sample.mask,
            "segment_lengths": np.array(sample.lengths, np.int64) if sample.lengths else None,
        }
        return values

    def class_of(self, columns: Mapping[str, str]) -> str:
        """Return the class in a catalog's row, '' if it has none."""
        return columns.get(self.label, "")


def _catalog_value(column: CatalogColumn, sample: Sample) -> MetadataValue | None:
    value = column.value(sample.columns)
    return "" if value is None and column.kind is Kind.TEXT else value


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # what overflows here is unknown, and becomes 0
def inverse_variance(uncertainty: Array) -> Array:
    """Return 1 / uncertainty**2, and 0 where the uncertainty is no positive number."""
    inverse = uncertainty**-2.0
    return np.where((uncertainty > 0) & np.isfinite(inverse), inverse, 0.0)


def time_of(mjd: float, unit: timedelta) -> datetime:
    """Return a modified Julian date to the nearest ``unit``: its last digits are noise."""
    epoch = moment(0).replace(tzinfo=UTC)
    return epoch + unit * round(timedelta(days=mjd) / unit)
