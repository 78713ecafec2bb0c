"""What none of our readers knows is offered to specutils and astropy, in a process that is killed if it takes long."""

from __future__ import annotations

import io
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from harvester.fits.cards import Cards
from harvester.fits.errors import UnknownFormError
from harvester.model.conventions import NO_CONVENTIONS
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind
from harvester.model.outcomes import FailedCheck, Level, LongVerification, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.readers import others
from harvester.readers.others import OtherReaders, other_readers
from harvester.readers.spectrum_file import open_file, read_spectrum
from harvester.verify import verify_soon, verify_spectrum
from tests.support.spectral_files import written

specutils = pytest.importorskip("specutils")

DID = SpectrumId("ivo://a/b")
TOLERANT = Expectation(identity_card=None, step_tolerance=None, strict=False)
WAVE = np.sort(15_100 + np.arange(300.0).reshape(3, 100))[::-1, ::-1]
FLUX = 5 + np.sin(WAVE / 9)


def apogee_visit() -> bytes:
    """A visit of APOGEE: chips as rows, wavelengths four HDUs on; no reader of ours knows that."""
    primary = fits.PrimaryHDU()
    primary.header["SURVEY"] = "apogee"
    primary.header["HISTORY"] = "APOGEE pipeline"
    units = ["Flux (10^-17 erg/s/cm^2/Ang)", "Flux (10^-17 erg/s/cm^2/Ang)", "Mask", "Wavelength (Ang)"]
    arrays = [FLUX, FLUX / 10, np.zeros(FLUX.shape, np.int16), WAVE]
    hdus = [fits.ImageHDU(array) for array in arrays]
    for hdu, unit in zip(hdus, units, strict=True):
        hdu.header["BUNIT"] = unit
    return written(primary, *hdus)


MAP = written(fits.PrimaryHDU(np.arange(81.0).reshape(9, 9)))


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    yield
    other_readers().close()


def test_a_form_that_specutils_knows_is_read_as_specutils_reads_it() -> None:
    body = apogee_visit()
    with pytest.raises(UnknownFormError):
        open_file(body).spectrum()
    spectrum = read_spectrum(body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = specutils.Spectrum.read(io.BytesIO(body), format="APOGEE apVisit")
    np.testing.assert_allclose(spectrum.wave, theirs.spectral_axis.to_value("Angstrom"), rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, theirs.flux.value)
    assert spectrum.uncertainty is not None
    assert any("read by specutils (APOGEE apVisit)" in remark for remark in spectrum.remarks)


def test_its_level_of_proof_is_external_and_the_checks_are_the_same() -> None:
    body = apogee_visit()
    soon = verify_soon(body, DID, TOLERANT)
    assert isinstance(soon, LongVerification), "an event loop is not held by it"
    verified = soon.finish()
    assert isinstance(verified, VerifiedSpectrum)
    assert (verified.level, verified.points) == (Level.EXTERNAL, WAVE.size)
    assert verified == verify_spectrum(body, DID, TOLERANT)
    named = verify_spectrum(body, DID, replace(TOLERANT, identity_card="DS_IDPUB"))
    assert isinstance(named, FailedCheck)
    assert named.kind is FailureKind.NO_IDENTIFIER


def test_what_nothing_knows_stays_unreadable_in_our_words_or_has_the_level_structure() -> None:
    refused = verify_spectrum(MAP, DID, TOLERANT)
    assert isinstance(refused, FailedCheck)
    assert (refused.kind, "none of the file's 1 HDUs" in refused.detail) == (FailureKind.UNREADABLE, True)
    stored = verify_spectrum(MAP, DID, replace(TOLERANT, require=Level.STRUCTURE))
    assert isinstance(stored, VerifiedSpectrum)
    assert stored.level is Level.STRUCTURE


def test_strict_archives_and_files_in_doubt_are_never_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def offered(*_: object) -> None:
        raise AssertionError("it was offered to other readers")

    monkeypatch.setattr(OtherReaders, "read", offered)
    assert isinstance(verify_soon(apogee_visit(), DID, Expectation(identity_card=None)), FailedCheck)
    pixels = fits.PrimaryHDU(np.arange(100.0))
    pixels.header.update({"CRVAL1": 3.58, "CDELT1": 1e-4, "CRPIX1": 1.0, "CUNIT1": "Angstrom"})
    refused = verify_soon(written(pixels), DID, TOLERANT)
    assert isinstance(refused, FailedCheck)
    assert "spectral_scale" in refused.detail


def test_without_specutils_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.verify.spectrum.are_others_installed", lambda: False)
    monkeypatch.setattr("harvester.readers.spectrum_file.are_others_installed", lambda: False)
    assert isinstance(verify_soon(apogee_visit(), DID, TOLERANT), FailedCheck)


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_killed_and_the_next_file_gets_another() -> None:
    body = apogee_visit()
    headers: tuple[Cards, Cards] = (open_file(body).headers[0], open_file(body).headers[0])
    readers = OtherReaders(started_within=0.05)
    began = time.monotonic()
    assert readers.read(body, False, headers, NO_CONVENTIONS) is None
    assert time.monotonic() - began < 30, "importing both packages alone takes longer than it was given"
    assert readers._process is None
    readers = OtherReaders()
    try:
        assert readers.read(body, False, headers, NO_CONVENTIONS) is not None
        assert readers._process is not None
        os.kill(readers._process.pid, 9)
        readers._process.wait()
        assert readers.read(body, False, headers, NO_CONVENTIONS) is not None
    finally:
        readers.close()
    assert others.READ_WITHIN < others.STARTED_WITHIN


def test_no_file_is_left_behind_by_a_process_that_is_killed_or_whose_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    readers = OtherReaders()
    body = apogee_visit()
    assert readers.read(body, False, (open_file(body).headers[0],) * 2, NO_CONVENTIONS) is not None
    assert len(list(tmp_path.glob("*/*"))) == 1
    readers.close()
    assert list(tmp_path.iterdir()) == []

    process, _ = readers._running()
    assert process.stdin is not None
    process.stdin.close()  # as the system does when the run is killed
    process.wait(60)
    assert list(tmp_path.iterdir()) == []
    readers.close()
