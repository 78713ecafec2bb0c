"""Genuine spectra of the Ondrejov archive, where they are available; and the digest of what a file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from harvester.fits.reader import read_spectrum
from harvester.model.band import Band
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind as Kind
from harvester.model.outcomes import Check
from harvester.model.target import SpectrumId
from tests.support.fits_files import FLUX, WAVE, accepted, primary, recard, referee, spectrum_file, verdict, written
from tests.support.paths import SHARED

FILES = sorted((SHARED / "real/fits").glob("*.fits"))
EXPECTED = Expectation(band=Band(6.282e-07, 6.733e-07), normalized=True)


def did_of(path: Path) -> SpectrumId:
    return SpectrumId(f"ivo://asu.cas.cz/stel/ccd700/{path.stem}")


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def genuine(request: pytest.FixtureRequest) -> Path:
    """Each genuine file in turn; pytest skips tests of an empty list by itself."""
    assert isinstance(request.param, Path)
    return request.param


def test_genuine_files_are_accepted_as_astropy_reads_them(genuine: Path) -> None:
    body = genuine.read_bytes()
    verified, spectrum, (wave, flux) = accepted(body, EXPECTED, did_of(genuine)), read_spectrum(body), referee(body)
    np.testing.assert_array_equal(spectrum.wave, wave)
    np.testing.assert_array_equal(spectrum.flux, flux)
    assert (verified.points, verified.size) == (wave.size, len(body))
    assert (spectrum.unit, spectrum.flux_unit, spectrum.axis) == ("Angstrom", "", 1)


def test_genuine_headers_are_read_as_astropy_reads_them(genuine: Path) -> None:
    spectrum = read_spectrum(genuine.read_bytes())
    with fits.open(genuine) as hdus:
        assert dict(spectrum.primary) == dict(hdus[0].header)
        assert dict(spectrum.table) == dict(hdus[1].header)


def test_each_genuine_file_is_refused_under_another_name(genuine: Path) -> None:
    for other in FILES:
        if other != genuine:
            assert verdict(genuine.read_bytes(), EXPECTED, did_of(other)) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)


def digests(body: bytes, genuine: Path) -> tuple[str, str]:
    verified = accepted(body, EXPECTED, did_of(genuine))
    return verified.sha256, verified.content_digest


def test_tomorrows_file_has_the_same_content_and_one_flux_byte_another(genuine: Path) -> None:
    body = genuine.read_bytes()
    whole, content = digests(body, genuine)
    tomorrow = digests(body.replace(b"DATE    = '2017-04-07'", b"DATE    = '2026-11-23'", 1), genuine)
    assert tomorrow[0] != whole
    assert tomorrow[1] == content
    flux_byte = 2880 * 3 + 15
    changed = body[:flux_byte] + bytes([body[flux_byte] ^ 1]) + body[flux_byte + 1 :]
    assert digests(changed, genuine)[1] != content


def test_the_digest_is_of_cards_and_data_but_not_of_padding() -> None:
    body = spectrum_file()
    content = accepted(body).content_digest
    end_of_primary = body.index(b"END" + b" " * 77)
    padded = body[:end_of_primary] + b" " * 2880 + body[end_of_primary:]
    assert accepted(padded).content_digest == content
    assert accepted(recard(body, "OBJECT", "OBJECT  = 'HD 50976'")).content_digest != content
    assert accepted(recard(body, "EXTEND", "EXTEND  = F")).content_digest != content
    assert accepted(spectrum_file(WAVE, FLUX + 1e-9)).content_digest != content


def test_the_digest_leaves_out_checksums() -> None:
    bodies = []
    for date in ("2017-04-07", "2026-11-23"):
        with fits.HDUList.fromstring(spectrum_file()) as hdus:
            table = hdus[1].copy()
        first = primary(date)
        table.add_checksum(when=date)
        first.add_checksum(when=date)
        bodies.append(written(first, table))
    assert bodies[0] != bodies[1]
    assert accepted(bodies[0]).content_digest == accepted(bodies[1]).content_digest
