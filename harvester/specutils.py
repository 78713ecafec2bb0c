"""Spectra as specutils has them (extra ``specutils``). Imported, it teaches ``Spectrum.read`` the IVOA's spectral FITS.

specutils takes such a file for any table and then finds no flux in it. What a column is, TUTYPn tells (Spectral
Data Model, serialization in FITS): ``...Data.SpectralAxis.Value``, ``...Data.FluxAxis.Value``, under whatever prefix.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import astropy.units as u
from astropy.io import fits

from .fits.errors import InvalidSpectrumError
from .fits.observation import observation_of
from .fits.reader import read_spectrum
from .fits.spectrum import Spectrum

try:
    import specutils
    from specutils.io.parsing_utils import read_fileobj_or_hdulist
    from specutils.io.registers import data_loader
except ImportError:
    raise ImportError("spectra as specutils has them need specutils: pip install 'harvester[specutils]'") from None

FORMAT = "ivoa-sdm-fits"
ROLES = ("data.spectralaxis.value", "data.fluxaxis.value")
BEFORE_ANY_TABLE = 20  # specutils' own loader of any FITS table has 6

File: TypeAlias = str | Path | BinaryIO | fits.HDUList


def is_sdm(_: str, path: str | None, __: object, *read: File, **___: Any) -> bool:
    """Whether a table of the file has a spectral and a flux column by TUTYPn. ``read`` begins with what is to be read,
    except where astropy's registry only asks about a ``path``."""
    with read_fileobj_or_hdulist(read[0] if read else path) as hdus:
        tables = [hdu.header for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
    return any(all(_has(header, role) for role in ROLES) for header in tables)


def _has(header: fits.Header, role: str) -> bool:
    return any(str(value).strip().lower().endswith(role) for value in header["TUTYP*"].values())


@data_loader(FORMAT, identifier=is_sdm, priority=BEFORE_ANY_TABLE)  # type: ignore[untyped-decorator]  # no types
def load(file: File, **_: Any) -> specutils.Spectrum:
    """The spectrum in ``file``: a path, an open file, or HDUs. ValueError for what is damaged or has no such table."""
    try:
        return as_specutils(read_spectrum(_body(file)))
    except InvalidSpectrumError as error:
        raise ValueError(f"no IVOA spectrum: {error.rejected.detail}") from error


def _body(file: File) -> bytes:
    if isinstance(file, fits.HDUList):
        written = io.BytesIO()
        file.writeto(written, output_verify="ignore")
        return written.getvalue()
    raw = Path(file).read_bytes() if isinstance(file, (str, Path)) else file.read()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw


def as_specutils(spectrum: Spectrum) -> specutils.Spectrum:
    """``spectrum`` with the units that its file gives.

    ``meta`` has the cards (``header``), the DID, the observation (object; ra, dec in degrees; mjd, the middle of the
    exposure; exposure in seconds) and ``medium``: Air, Vacuum, or '' where the file does not say. specutils knows no
    media, but ``specutils.utils.wcs_utils.air_to_vac``. ``notes`` says what had to be assumed.
    """
    flux_unit, notes = _flux_unit(spectrum.flux_unit)
    told = observation_of(spectrum)
    cards = {**spectrum.primary, **spectrum.table}
    meta = {
        "header": cards, "did": cards.get("DS_IDPUB", ""), "object": told.object_name, "ra": told.ra, "dec": told.dec,
        "mjd": told.mjd, "exposure": told.exposure, "medium": told.medium, "notes": notes,
    }  # fmt: skip
    return specutils.Spectrum(
        flux=spectrum.flux * flux_unit, spectral_axis=spectrum.wave * _wave_unit(spectrum.unit), meta=meta
    )


def _wave_unit(told: str) -> u.UnitBase:
    """ValueError, from astropy, for what is no unit."""
    if not told:
        raise ValueError("no IVOA spectrum: its spectral column has no unit")
    return u.Unit(told)


def _flux_unit(told: str) -> tuple[u.UnitBase, list[str]]:
    """Normalized flux has no unit; what has another name for one is taken as if it had none, and that is noted."""
    unit = u.Unit(told, parse_strict="silent")
    if not isinstance(unit, u.UnrecognizedUnit):
        return unit, [] if told else ["the file gives no unit of flux: a ratio, or counts"]
    return u.dimensionless_unscaled, [f"the file's unit of flux is {told!r}, which is taken for none"]
