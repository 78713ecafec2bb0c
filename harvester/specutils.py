"""Spectra as specutils has them (extra ``specutils``).

Imported, it teaches ``Spectrum.read`` the forms read here. specutils takes an IVOA file for any table and then finds no
flux in it. What a column is, UTYPE, UCD or its name say.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from .fits.errors import InvalidSpectrumError
from .fits.flux_unit import flux_unit
from .fits.observation import observation_of
from .fits.reader import read_spectrum
from .fits.spectrum import Spectrum, angstroms, metres
from .formatting import are, plural
from .model.invocation import install_line

try:
    import specutils
    from specutils.io.parsing_utils import read_fileobj_or_hdulist
    from specutils.io.registers import data_loader
except ImportError:
    raise ImportError(
        f"spectra as specutils has them need specutils: {install_line('specharvest[specutils]')}"
    ) from None

FORMAT = "ivoa-sdm-fits"
ROLES = ("data.spectralaxis.value", "data.fluxaxis.value")
BEFORE_ANY_TABLE = 20  # specutils' own loader of any FITS table has 6

File: TypeAlias = str | Path | BinaryIO | fits.HDUList


def is_sdm(_: str, path: str | None, __: object, *read: File, **___: Any) -> bool:
    """Return whether a table of the file has a spectral and a flux column by TUTYPn.

    ``read`` begins with what is to be read, except where astropy's registry only passes a ``path``.
    """
    with read_fileobj_or_hdulist(read[0] if read else path) as hdus:
        tables = [hdu.header for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
    return any(all(_has(header, role) for role in ROLES) for header in tables)


def _has(header: fits.Header, role: str) -> bool:
    return any(str(value).strip().lower().endswith(role) for value in header["TUTYP*"].values())


@data_loader(  # type: ignore[untyped-decorator]  # specutils ships no types
    FORMAT, identifier=is_sdm, priority=BEFORE_ANY_TABLE, dtype=specutils.Spectrum
)
def load(file: File, **_: Any) -> specutils.Spectrum:
    """Return the spectrum in ``file``: a path, an open file, or HDUs.

    ValueError for what is damaged, has no spectrum, or has several segments, which ``SpectrumList.read`` gives.
    """
    try:
        return as_specutils(read_spectrum(_body(file)))
    except InvalidSpectrumError as error:
        raise ValueError(f"no IVOA spectrum: {error.rejected.detail}") from error


@data_loader(  # type: ignore[untyped-decorator]  # specutils ships no types
    FORMAT, identifier=is_sdm, priority=BEFORE_ANY_TABLE, dtype=specutils.SpectrumList, force=True
)
def load_list(file: File, **_: Any) -> specutils.SpectrumList:
    """Return the segments (orders, arms, chips) of the spectrum in ``file``, one by one."""
    try:
        return as_specutils_list(read_spectrum(_body(file)))
    except InvalidSpectrumError as error:
        raise ValueError(f"no IVOA spectrum: {error.rejected.detail}") from error


def _body(file: File) -> bytes:
    if isinstance(file, fits.HDUList):
        written = io.BytesIO()
        file.writeto(written, output_verify="ignore")
        return written.getvalue()
    raw = Path(file).read_bytes() if isinstance(file, (str, Path)) else file.read()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw


def as_specutils_list(spectrum: Spectrum, did: str = "") -> specutils.SpectrumList:
    """Return each segment of ``spectrum`` as specutils has it."""
    return specutils.SpectrumList([as_specutils(segment, did) for segment in spectrum.split()])


def as_specutils(spectrum: Spectrum, did: str = "") -> specutils.Spectrum:
    """Return ``spectrum`` with the units that its file gives, its uncertainty and its mask.

    ``meta`` has the cards (``header``), the DID (``did``, else the one in the file), the observation (object; ra, dec
    in degrees; mjd, the middle of the exposure; exposure in seconds), ``meanings`` (name, UCD and UTYPE of each array)
    and ``medium``: Air, Vacuum, or '' where the file does not say. specutils knows no media, but
    ``specutils.utils.wcs_utils.air_to_vac``. ``notes`` says what had to be assumed. ValueError for several segments,
    which only a list can hold (``as_specutils_list``).
    """
    if spectrum.lengths:
        raise ValueError(f"the file has {len(spectrum.lengths)} segments: use spectrum_list(), or SpectrumList.read")
    spectrum, repeated = _without_repeats(spectrum)
    unit, notes = flux_unit(spectrum.flux_unit)
    observation = observation_of(spectrum)
    cards = {**spectrum.primary, **spectrum.table}
    meta = {
        "header": cards, "did": did or cards.get("DS_IDPUB", ""), "object": observation.object_name,
        "ra": observation.ra, "dec": observation.dec, "mjd": observation.mjd, "exposure": observation.exposure,
        "medium": observation.medium,
        "meanings": {name: asdict(meaning) for name, meaning in spectrum.meanings.items()},
        "notes": [*notes, *repeated, *spectrum.remarks, *observation.remarks],
    }  # fmt: skip
    return specutils.Spectrum(
        flux=spectrum.flux * unit,
        spectral_axis=_spectral_axis(spectrum),
        uncertainty=None if spectrum.uncertainty is None else StdDevUncertainty(spectrum.uncertainty * unit),
        mask=spectrum.mask,
        meta=meta,
    )


def _without_repeats(spectrum: Spectrum) -> tuple[Spectrum, list[str]]:
    """Return the points with a wavelength of their own.

    Specutils wants axes that rise or fall all the way.
    """
    repeats = np.concatenate([[False], np.diff(spectrum.wave) == 0])
    count = int(np.count_nonzero(repeats))
    if not count:
        return spectrum, []
    return spectrum.take(~repeats), [
        f"{plural(count, 'point')} with the wavelength of the one before {are(count)} left out"
    ]


def _spectral_axis(spectrum: Spectrum) -> u.Quantity:
    """Return the wavelengths in the file's unit.

    In Angstrom where astropy does not know its spelling.

    ValueError where there is no unit.
    """
    if not spectrum.unit:
        raise ValueError("no IVOA spectrum: its spectral column has no unit")
    spelled = spectrum.unit.strip()
    if spelled.lower() in ("micron", "microns"):
        return spectrum.wave * u.micron
    if metres(spelled) == metres("Angstrom"):
        return spectrum.wave * u.AA
    unit = u.Unit(spelled, parse_strict="silent")
    known = not isinstance(unit, u.UnrecognizedUnit) and unit.is_equivalent(u.m)
    return spectrum.wave * unit if known else angstroms(spectrum) * u.AA
