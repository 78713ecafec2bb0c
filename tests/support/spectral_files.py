"""Files of the forms that archives serve, written by astropy, each with the numbers that it means."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

Array = NDArray[Any]

POINTS = 300
WAVE = 5000.0 + 0.5 * np.arange(POINTS)
FLUX = 100.0 + 10.0 * np.sin(np.arange(POINTS) / 9)
ERROR = 1.0 + np.arange(POINTS) / POINTS


@dataclass(frozen=True, eq=False)
class SpectralFile:
    """A file and what it means: wavelengths in Angstrom, flux and its standard deviation, if the file has one."""

    body: bytes
    wave: Array
    flux: Array
    error: Array | None = None
    rtol: float = 1e-12


def written(*hdus: Any) -> bytes:
    """Return the bytes of a file with these HDUs; cards of other archives need not be exact FITS."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(list(hdus)).writeto(out, output_verify="ignore")
    return out.getvalue()


def table(*columns: fits.Column, name: str = "", **cards: Any) -> fits.BinTableHDU:
    """Return a binary table with further cards; units may be spelled in any way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdu = fits.BinTableHDU.from_columns(list(columns), name=name or None)
    hdu.header.update(cards)
    return hdu


def image(data: Any = FLUX, **cards: Any) -> fits.PrimaryHDU:
    """Return an image with further cards; ``__`` stands for a hyphen in a keyword."""
    hdu = fits.PrimaryHDU(np.asarray(data))
    for keyword, value in cards.items():
        hdu.header[keyword.replace("__", "-")] = value
    return hdu


def _column(name: str, array: Any, unit: str | None = None, form: str = "D", **more: Any) -> fits.Column:
    return fits.Column(name, form, unit, array=array, **more)


def points_a_row(names: tuple[str, ...], unit: str | None = "Angstrom") -> bytes:
    """Return a table of wavelength, flux and error under these names, one point a row."""
    arrays = (WAVE, FLUX, ERROR)
    units = (unit, None, None)
    columns = [_column(name, array, unit) for name, array, unit in zip(names, arrays, units, strict=True)]
    return written(fits.PrimaryHDU(), table(*columns))


def _ascii() -> bytes:
    columns = [
        fits.Column("WAVELENGTH", "F12.4", "Angstrom", array=WAVE, ascii=True),
        fits.Column("FLUX", "E16.8", array=FLUX.round(4), ascii=True),
    ]
    return written(fits.PrimaryHDU(), fits.TableHDU.from_columns(columns))


def _variable(code: str) -> bytes:
    def arrays(values: Array) -> Any:
        objects = np.empty(1, object)
        objects[0] = values
        return objects

    columns = [
        fits.Column("WAVE", f"{code}D()", "Angstrom", array=arrays(WAVE)),
        fits.Column("FLUX", f"{code}D()", array=arrays(FLUX)),
    ]
    return written(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns))


def _multispec(kind: int) -> bytes:
    first, step = (5000.0, 0.5) if kind == 0 else (3.7, 1e-4)
    spec = f'spec1 = "1 1 {kind} {first} {step} {POINTS} 0. 1. 2."'
    hdu = image(
        FLUX, WCSDIM=2, WAT0_001="system=multispec", WAT1_001="wtype=multispec label=Wavelength units=Angstroms"
    )
    hdu.header["WAT2_001"] = f"wtype=multispec {spec}"
    return written(hdu)


LOG10 = np.log10(5000.0) + 1e-4 * np.arange(POINTS)
LIGHT = 299_792_458.0
FORMS = {
    "ivoa utypes": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(
                _column("A", ERROR),
                _column("B", FLUX),
                _column("C", WAVE, "Angstrom"),
                TUTYP1="spec:Data.FluxAxis.Accuracy.StatError",
                TUTYP2="spec:Data.FluxAxis.Value",
                TUTYP3="spec:Data.SpectralAxis.Value",
            ),
        ),
        WAVE, FLUX, ERROR,
    ),
    "ucds": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(
                _column("A", ERROR),
                _column("B", FLUX),
                _column("C", WAVE, "Angstrom"),
                TUCD1="stat.error;phot.flux.density;em.wl",
                TUCD2="phot.flux.density;em.wl",
                TUCD3="em.wl",
            ),
        ),
        WAVE, FLUX, ERROR,
    ),
    "usual names": SpectralFile(points_a_row(("WAVELENGTH", "FLUX", "ERROR")), WAVE, FLUX, ERROR),
    "PypeIt names": SpectralFile(points_a_row(("OPT_WAVE", "OPT_COUNTS", "OPT_COUNTS_SIG")), WAVE, FLUX, ERROR),
    "SDSS": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(_column("flux", FLUX), _column("loglam", LOG10), _column("ivar", ERROR**-2), name="COADD"),
        ),
        10**LOG10, FLUX, ERROR,
    ),
    "variance": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(_column("LAMBDA", WAVE / 10, "nm"), _column("SPEC", FLUX), _column("VARIANCE", ERROR**2)),
        ),
        WAVE, FLUX, ERROR,
    ),
    "arrays in one row": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(
                _column("WAVE", WAVE[np.newaxis] / 1e4, "microns", f"{POINTS}D"),
                _column("FLUX", FLUX[np.newaxis], None, f"{POINTS}D"),
            ),
        ),
        WAVE, FLUX,
    ),
    "variable arrays (P)": SpectralFile(_variable("P"), WAVE, FLUX),
    "variable arrays (Q)": SpectralFile(_variable("Q"), WAVE, FLUX),
    "ASCII table": SpectralFile(_ascii(), WAVE, FLUX.round(4)),
    "frequency": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(_column("FREQUENCY", LIGHT / WAVE / 1e-10 / 1e12, "THz"), _column("FLUX", FLUX)),
        ),
        WAVE, FLUX,
    ),
    "energy": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(
                _column("ENERGY", 6.62607015e-34 * LIGHT / (WAVE * 1e-10) / 1.602176634e-19, "eV"),
                _column("FLUX", FLUX),
            ),
        ),
        WAVE, FLUX,
    ),
    "wavenumber": SpectralFile(
        written(fits.PrimaryHDU(), table(_column("wavenumber", 1e8 / WAVE, "cm-1"), _column("flux", FLUX))), WAVE, FLUX
    ),
    "linear image": SpectralFile(
        written(image(CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CTYPE1="Wavelength", CUNIT1="Angstrom")), WAVE, FLUX
    ),
    "unit in CTYPE1": SpectralFile(
        written(image(CRVAL1=500.0, CD1_1=0.05, CRPIX1=1.0, CTYPE1="WAVELENGTH [nm]")), WAVE, FLUX
    ),
    "DC-FLAG": SpectralFile(
        written(
            image(CRVAL1=LOG10[0], CD1_1=1e-4, CRPIX1=1.0, CTYPE1="LINEAR", DC__FLAG="1", WAT1_001="units=Angstroms")
        ),
        10**LOG10, FLUX,
    ),
    "WAVE-LOG": SpectralFile(
        written(image(CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CTYPE1="WAVE-LOG", CUNIT1="Angstrom")),
        5000 * np.exp(0.5 * np.arange(POINTS) / 5000), FLUX,
    ),
    "multispec, linear": SpectralFile(_multispec(0), WAVE, FLUX),
    "multispec, log-linear": SpectralFile(_multispec(1), 10 ** (3.7 + 1e-4 * np.arange(POINTS)), FLUX),
    "labelled rows": SpectralFile(
        written(
            image(
                np.array([FLUX, ERROR**-2, np.zeros(POINTS)]),
                CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom", ROW1="Flux", ROW2="Inverse", ROW3="Andmask",
            )
        ),
        WAVE, FLUX, ERROR,
    ),
    "IRAF bands": SpectralFile(
        written(
            image(
                np.array([FLUX, FLUX / 2, ERROR])[:, np.newaxis],
                CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom",
                BANDID1="spectrum - background fit", BANDID2="raw", BANDID3="sigma - background fit",
            )
        ),
        WAVE, FLUX, ERROR,
    ),
    "images of wavelength and error": SpectralFile(
        written(
            fits.PrimaryHDU(FLUX),
            fits.ImageHDU(ERROR, name="ERROR"),
            fits.ImageHDU(WAVE, fits.Header([("BUNIT", "Angstrom")]), name="WAVELENGTH"),
        ),
        WAVE, FLUX, ERROR,
    ),
    "tile-compressed": SpectralFile(
        written(
            fits.PrimaryHDU(),
            fits.CompImageHDU(
                (FLUX * 1000).astype(np.int32)[np.newaxis],
                fits.Header([("CRVAL1", 5000.0), ("CDELT1", 0.5), ("CRPIX1", 1.0), ("CUNIT1", "Angstrom")]),
                compression_type="RICE_1",
            ),
        ),
        WAVE, (FLUX * 1000).astype(np.int32).astype(float),
    ),
    "IUE low dispersion": SpectralFile(
        written(
            fits.PrimaryHDU(),
            table(
                _column("APERTURE", ["LARGE"], None, "5A"), _column("NPOINTS", [POINTS - 20], None, "I"),
                _column("WAVELENGTH", [5000.0], "ANGSTROM"), _column("DELTAW", [0.5], "ANGSTROM"),
                _column("FLUX", FLUX[np.newaxis], "ERG/CM2/S/A", f"{POINTS}D"),
                _column("SIGMA", ERROR[np.newaxis], "ERG/CM2/S/A", f"{POINTS}D"),
            ),
        ),
        WAVE[:-20], FLUX[:-20], ERROR[:-20],
    ),
}  # fmt: skip
"""The forms by name, each with one spectrum."""
