"""What a data set says of each spectrum, in units and in words: the one list behind its files and its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..fits.observation import moment
from .catalog_columns import CatalogColumn, Kind
from .preprocessing import axis_of
from .samples import Sample

MetadataText = str | int | float | datetime

METADATA = "harvester"
"""Under this name a file says, as JSON, where its spectra come from and what was done to them."""

Write = Callable[[Sample, "str | None"], None]
"""Writes one spectrum, and the part it is in, into a file."""

_TEXT, _REAL, _INTEGER, _TIME, _REALS = "string", "float64", "int64", "timestamp[ms, UTC]", "list<float64>"
_KINDS = {Kind.INTEGER: _INTEGER, Kind.NUMBER: _REAL, Kind.TEXT: _TEXT}


@dataclass(frozen=True, slots=True)
class ExportField:
    """One column. ``kind`` is a type as Arrow spells it; ``unit`` as the VO's VOUnits do, '' for none."""

    name: str
    kind: str
    unit: str
    meaning: str


_IDENTITY = (
    ExportField("id", _TEXT, "", "publisher DID"),
    ExportField("name", _TEXT, "", "the spectrum's file in the harvest, without .fits"),
)
_OBSERVATION = (
    ExportField("object", _TEXT, "", "what was observed, from the header's OBJECT"),
    ExportField("ra", _REAL, "deg", "right ascension, ICRS, from RA"),
    ExportField("dec", _REAL, "deg", "declination, ICRS, from DEC"),
    ExportField(
        "mjd", _REAL, "d", "middle of the exposure, modified Julian date, from TMID (DATE is when a file was written)"
    ),
    ExportField("time", _TIME, "", "the same as a date and time, UT, to the millisecond"),
    ExportField("exposure", _REAL, "s", "exposure time, from TELAPSE"),
)
_AXIS = (
    ExportField("wave_start", _REAL, "Angstrom", "first wavelength, where they are evenly spaced to the last bit"),
    ExportField("wave_step", _REAL, "Angstrom", "their step"),
    ExportField("wave_count", _INTEGER, "", "how many they are: wave_start + wave_step * numpy.arange(wave_count)"),
    ExportField("wave", _REALS, "Angstrom", "the wavelengths themselves, where they are not evenly spaced"),
)
_MEDIUM = ExportField("medium", _TEXT, "", "what the wavelengths are of: Air or Vacuum")
_UNIT = ExportField("flux_unit", _TEXT, "", "unit of the flux, where the archive's file names one")
_DIGESTS = (
    ExportField("sha256", _TEXT, "", "SHA-256 of the FITS file that this was read from and proved by"),
    ExportField("content_digest", _TEXT, "", "SHA-256 of what that file says, whatever day the archive wrote it"),
)
_SPLIT = ExportField("split", _TEXT, "", "the part of the data set that the spectrum's star is in")

NAMES = frozenset(
    {field.name for field in (*_IDENTITY, *_OBSERVATION, *_AXIS, _MEDIUM, _UNIT, *_DIGESTS, _SPLIT)} | {"flux", "date"}
)
"""What no column of a catalog is called."""


@dataclass(frozen=True, slots=True)
class ExportSchema:
    """The columns of one data set. flux: ``float64`` or ``float32``. label: the catalog's column with the class."""

    catalog: tuple[CatalogColumn, ...]
    flux: str = "float64"
    split: bool = False
    label: str = "label"

    @property
    def scalars(self) -> tuple[ExportField, ...]:
        """All but wavelengths and flux."""
        own = (*_IDENTITY, *self._of_catalog, *_OBSERVATION, _MEDIUM, _UNIT, *_DIGESTS)
        return (*own, _SPLIT) if self.split else own

    @property
    def fields(self) -> tuple[ExportField, ...]:
        """All, with a spectrum to a row."""
        return (*self.scalars, *_AXIS, ExportField("flux", f"list<{self.flux}>", "", self._flux_in_words))

    @property
    def _of_catalog(self) -> tuple[ExportField, ...]:
        return tuple(
            ExportField(column.name, _KINDS[column.kind], "", f"the catalog's column {column.source!r}")
            for column in self.catalog
        )

    @property
    def _flux_in_words(self) -> str:
        exact = "as the archive's file has it" if self.flux == "float64" else "rounded to seven digits"
        return f"flux at these wavelengths, {exact}"

    def told(self, sample: Sample, part: str | None) -> dict[str, MetadataText | None]:
        """The scalars of one spectrum; None is what nobody told."""
        seen = sample.observation
        return {
            "id": sample.did,
            "name": sample.name,
            **{column.name: column.value(sample.columns) for column in self.catalog},
            "object": seen.object_name or None,
            "ra": seen.ra,
            "dec": seen.dec,
            "mjd": seen.mjd,
            "time": None if seen.mjd is None else time_of(seen.mjd, timedelta(milliseconds=1)),
            "exposure": seen.exposure,
            "medium": seen.medium or None,
            "flux_unit": sample.flux_unit or None,
            "sha256": sample.sha256,
            "content_digest": sample.content_digest,
            **({"split": part} if self.split else {}),
        }

    def class_of(self, columns: Mapping[str, str]) -> str:
        """The class in a catalog's row, '' if it has none."""
        return columns.get(self.label, "")


def time_of(mjd: float, unit: timedelta) -> datetime:
    """A modified Julian date to the nearest ``unit``: its last digits are noise, which would make :02 of :01.999989."""
    began = moment(0).replace(tzinfo=UTC)
    return began + unit * round(timedelta(days=mjd) / unit)


def axis_told(sample: Sample) -> dict[str, Any]:
    """The wavelengths as three numbers where they are evenly spaced, else as they are."""
    axis = axis_of(sample.wave)
    start, step, count = (None, None, None) if axis is None else (axis.start, axis.step, axis.count)
    return {"wave_start": start, "wave_step": step, "wave_count": count, "wave": sample.wave if axis is None else None}
