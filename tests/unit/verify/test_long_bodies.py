"""A body that takes long to verify never holds an event loop, and is the same spectrum in the end."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from harvester.model.expectation import Expectation
from harvester.model.outcomes import LongVerification, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.readers.spectrum_file import QUICK_FITS, QUICK_VOTABLE, takes_long
from harvester.verify import verify_by_own_readers, verify_soon, verify_spectrum
from tests.support.spectral_files import FLUX, FORMS, WAVE, image, table, written
from tests.support.votable_files import UTYPES, spectrum_votable, votable

DID = SpectrumId("ivo://a/b")
TOLERANT = Expectation(identity_card=None, step_tolerance=None, strict=False)
MANY = QUICK_FITS // 16 + 1
LONG_TABLE = written(
    fits.PrimaryHDU(),
    table(
        fits.Column("WAVE", "D", "Angstrom", array=5000.0 + np.arange(MANY)),
        fits.Column("FLUX", "D", array=np.ones(MANY)),
    ),
)
LONG = {
    "TABLEDATA": spectrum_votable(),
    "CDATA": spectrum_votable().replace(b"<TD>5000.0</TD>", b"<TD><![CDATA[5000.0]]></TD>"),
    "FITS of many points": LONG_TABLE,
    "tile-compressed": FORMS["tile-compressed"].body,
}
SHORT = {
    "VOTable": votable({"wave": WAVE[:50], "flux": FLUX[:50]}, {"wave": "Angstrom"}, UTYPES),
    "image": written(image(FLUX, CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom")),
    "what is nothing": b"<html>no</html>",
}


@pytest.mark.parametrize("body", LONG.values(), ids=LONG.keys())
def test_what_takes_long_is_left_to_a_thread(body: bytes) -> None:
    soon = verify_soon(body, DID, TOLERANT)
    assert isinstance(soon, LongVerification)
    whole = verify_spectrum(body, DID, TOLERANT)
    assert isinstance(whole, VerifiedSpectrum)
    assert soon.finish() == whole
    assert verify_by_own_readers(body, DID, TOLERANT) == whole, "a process without a loop does not wait"


@pytest.mark.parametrize("body", SHORT.values(), ids=SHORT.keys())
def test_what_is_short_is_verified_at_once(body: bytes) -> None:
    assert verify_soon(body, DID, TOLERANT) == verify_spectrum(body, DID, TOLERANT)


def test_the_size_decides_before_anything_is_read() -> None:
    assert takes_long(b" " * (QUICK_VOTABLE + 1))
    assert not takes_long(b" " * QUICK_VOTABLE)
    assert not takes_long(b"SIMPLE  =".ljust(QUICK_FITS))
    assert takes_long(b"SIMPLE  =".ljust(QUICK_FITS + 1))
