"""Spectra as specutils has them, by the genuine specutils."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.registry import identify_format
from specutils import Spectrum, SpectrumList
from specutils.io.registers import identify_spectrum_format

import harvester
from harvester.specutils import FORMAT
from tests.support.harvests import harvest_demo
from tests.support.paths import SHARED

GENUINE = SHARED / "real" / "fits"


@pytest.fixture
async def stored(tmp_path: Path) -> harvester.StoredSpectrum:
    await harvest_demo(tmp_path / "out", 1)
    return next(iter(harvester.open_harvest(tmp_path / "out")))


def sdm(path: Path, *columns: tuple[str, str, str | None, list[float]], medium: str = "") -> Path:
    """A file of another program's: columns by name, TUTYP, unit and values."""
    made = [fits.Column(name, "D", unit, array=np.array(values)) for name, _, unit, values in columns]
    table = fits.BinTableHDU.from_columns(made)
    for number, (_, utype, _, _) in enumerate(columns, 1):
        table.header[f"TUTYP{number}"] = utype
    if medium:
        table.header["TCOMM1"] = medium
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


async def test_specutils_reads_what_is_stored(stored: harvester.StoredSpectrum) -> None:
    assert FORMAT in identify_spectrum_format(stored.path)
    spectrum = Spectrum.read(stored.path)
    assert spectrum.spectral_axis.unit == u.AA
    assert spectrum.flux.unit == u.dimensionless_unscaled
    np.testing.assert_array_equal(spectrum.spectral_axis.value, stored.wave)
    np.testing.assert_array_equal(spectrum.flux.value, stored.flux)
    shown = stored.observation
    assert spectrum.meta["did"] == stored.did
    assert spectrum.meta["object"] == shown.object_name
    assert (spectrum.meta["ra"], spectrum.meta["dec"], spectrum.meta["mjd"]) == (shown.ra, shown.dec, shown.mjd)
    assert (spectrum.meta["exposure"], spectrum.meta["medium"]) == (shown.exposure, "Air")
    assert spectrum.meta["header"]["TTYPE2"] == "flux"
    assert "no unit of flux" in spectrum.meta["notes"][0]


async def test_a_stored_spectrum_becomes_the_same_without_a_detour(stored: harvester.StoredSpectrum) -> None:
    spectrum = stored.spectrum()
    again = Spectrum.read(stored.path, format=FORMAT)
    np.testing.assert_array_equal(spectrum.flux, again.flux)
    assert spectrum.meta == again.meta


async def test_a_stored_spectrum_that_was_changed_is_none(stored: harvester.StoredSpectrum) -> None:
    body = bytearray(stored.path.read_bytes())
    body[-3000] ^= 1
    stored.path.write_bytes(body)
    with pytest.raises(harvester.DamagedError, match="SHA-256"):
        stored.spectrum()


async def test_paths_open_files_hdus_and_gzip_are_read_alike(stored: harvester.StoredSpectrum, tmp_path: Path) -> None:
    packed = tmp_path / "packed.fits.gz"
    packed.write_bytes(gzip.compress(stored.path.read_bytes()))
    with stored.path.open("rb") as file, fits.open(stored.path) as hdus:
        read = [Spectrum.read(source) for source in (str(stored.path), file, hdus, packed)]
    for spectrum in (*read, *SpectrumList.read(stored.path)):
        np.testing.assert_array_equal(spectrum.flux.value, stored.flux)


def test_any_prefix_any_case_and_any_unit_will_do(tmp_path: Path) -> None:
    path = sdm(
        tmp_path / "other.fits",
        ("ERR", "ssa:Spectrum.Data.FluxAxis.Accuracy.StatError", "Jy", [0.1, 0.1, 0.1]),
        ("F", "SPEC:SPECTRUM.DATA.FLUXAXIS.VALUE", "Jy", [1.0, 2.0, 3.0]),
        ("W", "Spectrum.Data.SpectralAxis.Value", "nm", [500.0, 501.0, 502.0]),
    )
    spectrum = Spectrum.read(path)
    assert (spectrum.spectral_axis.unit, spectrum.flux.unit) == (u.nm, u.Jy)
    assert spectrum.flux.value.tolist() == [1, 2, 3]
    assert (spectrum.meta["medium"], spectrum.meta["notes"]) == ("", [])


def test_vacuum_is_reported_where_the_file_tells_it(tmp_path: Path) -> None:
    columns = ("W", "Data.SpectralAxis.Value", "m", [5e-7, 6e-7]), ("F", "Data.FluxAxis.Value", None, [1.0, 1.0])
    spectrum = Spectrum.read(sdm(tmp_path / "vacuum.fits", *columns, medium="Vacuum wavelength"))
    assert spectrum.meta["medium"] == "Vacuum"


def test_a_unit_that_no_one_knows_is_taken_for_none_and_noted(tmp_path: Path) -> None:
    columns = ("W", "Data.SpectralAxis.Value", "nm", [5.0, 6.0]), ("F", "Data.FluxAxis.Value", "DN_raw", [1.0, 1.0])
    spectrum = Spectrum.read(sdm(tmp_path / "raw.fits", *columns))
    assert spectrum.flux.unit == u.dimensionless_unscaled
    assert spectrum.meta["notes"] == ["the file's unit of flux is 'DN_raw', which is taken for none"]


def test_wavelengths_without_a_unit_are_refused(tmp_path: Path) -> None:
    columns = ("W", "Data.SpectralAxis.Value", None, [5.0, 6.0]), ("F", "Data.FluxAxis.Value", None, [1.0, 1.0])
    with pytest.raises(ValueError, match="spectral column has no unit"):
        Spectrum.read(sdm(tmp_path / "bare.fits", *columns))


async def test_a_damaged_file_is_refused(stored: harvester.StoredSpectrum) -> None:
    body = stored.path.read_bytes()
    stored.path.write_bytes(body[: -2880 * 2])
    with pytest.raises(ValueError, match="no IVOA spectrum"):
        Spectrum.read(stored.path, format=FORMAT)


def test_other_tables_are_left_to_others(tmp_path: Path) -> None:
    path = sdm(tmp_path / "table.fits", ("A", "", "nm", [1.0, 2.0]), ("B", "", "Jy", [1.0, 2.0]))
    with path.open("rb") as file:
        assert FORMAT not in identify_format("read", Spectrum, str(path), file, [path], {})


@pytest.mark.skipif(not GENUINE.is_dir(), reason="the genuine files lie beside the repository where they are available")
def test_the_genuine_files_are_read() -> None:
    for path in sorted(GENUINE.glob("*.fits")):
        spectrum = Spectrum.read(path)
        with fits.open(path) as hdus:
            np.testing.assert_array_equal(spectrum.flux.value, hdus[1].data["flux"])
            assert spectrum.meta["did"] == hdus[1].header["DS_IDPUB"]
        assert (spectrum.spectral_axis.unit, spectrum.meta["medium"]) == (u.AA, "Air")


def test_without_specutils_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['specutils'] = None; import harvester.specutils"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.splitlines()[-1].endswith("pip install 'specharvest[specutils]'")
