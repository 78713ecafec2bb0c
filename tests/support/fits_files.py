"""FITS files for the tests of ``harvester.verify``, written by astropy: an implementation no one here wrote."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind
from harvester.model.outcomes import Check, FailedCheck, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum

DID = SpectrumId("ivo://example.org/stel/ccd/ab120034")
WAVE = np.linspace(6282.1, 6732.9, 300)
FLUX = 1.0 + 0.2 * np.sin(WAVE / 7)
ANY = Expectation()

Array = NDArray[np.float64]


def spectrum_file(
    wave: Array = WAVE,
    flux: Array = FLUX,
    *,
    form: str = "D",
    unit: str | None = "Angstrom",
    one_row: bool = False,
    names: tuple[str, str] = ("spectral", "flux"),
    utypes: bool = True,
    declared: tuple[float, float] | None = None,
    cards: dict[str, Any] | None = None,
) -> bytes:
    """A file as DaCHS writes it: an empty primary HDU, one table, the DID in the table's header."""
    arrays = [wave[np.newaxis], flux[np.newaxis]] if one_row else [wave, flux]
    table_form = f"{wave.size}{form}" if one_row else form
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=names[0], format=table_form, unit=unit, array=arrays[0]),
            fits.Column(name=names[1], format=table_form, array=arrays[1]),
        ]
    )
    if utypes:
        table.header["TUTYP1"] = "spec:Spectrum.Data.SpectralAxis.Value"
        table.header["TUTYP2"] = "spec:Spectrum.Data.FluxAxis.Value"
    table.header["DS_IDPUB"] = DID
    table.header["OBJECT"] = "HD 50975"
    low, high = declared or (float(np.min(wave)) * 1e-10, float(np.max(wave)) * 1e-10) if wave.size else (1.0, 1.0)
    if unit == "Angstrom" and np.isfinite([low, high]).all():
        table.header["TDMIN1"], table.header["TDMAX1"] = low, high
    table.header.update(cards or {})
    return written(primary(), table)


def primary(date: str = "2017-04-07") -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    hdu.header["DATE"] = date
    return hdu


def written(*hdus: Any) -> bytes:
    out = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(out)
    return out.getvalue()


def recard(body: bytes, keyword: str, card: str) -> bytes:
    """``body`` with the last header card of this keyword replaced by the text of ``card``."""
    places = [at for at in range(0, len(body), 80) if body[at : at + 8] == keyword.ljust(8).encode()]
    return body[: places[-1]] + card.encode("latin-1").ljust(80)[:80] + body[places[-1] + 80 :]


def refused(body: bytes, expected: Expectation = ANY, did: SpectrumId = DID) -> FailedCheck:
    outcome = verify_spectrum(body, did, expected)
    assert isinstance(outcome, FailedCheck), outcome
    assert outcome.detail.isprintable()
    return outcome


def accepted(body: bytes, expected: Expectation = ANY, did: SpectrumId = DID) -> VerifiedSpectrum:
    outcome = verify_spectrum(body, did, expected)
    assert isinstance(outcome, VerifiedSpectrum), outcome
    return outcome


def verdict(body: bytes, expected: Expectation = ANY, did: SpectrumId = DID) -> tuple[Check, FailureKind]:
    outcome = refused(body, expected, did)
    return outcome.check, outcome.kind


def referee(body: bytes) -> tuple[Array, Array]:
    """Wavelengths and flux, the first two columns, as astropy reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns about broken cards that no number depends on
        with fits.open(io.BytesIO(body), memmap=False) as hdus:
            data = hdus[1].data
            return (
                np.ravel(data.field(0)).astype(np.float64),
                np.ravel(data.field(1)).astype(np.float64),
            )
