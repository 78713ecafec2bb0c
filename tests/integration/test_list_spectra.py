"""What an archive has, as a table: narrowed by astropy's types, and harvested as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time

import harvester
from harvester.demo import listed_dids
from harvester.demo.observations import observe
from tests.support.harvests import QUICK

DIDS = list(listed_dids(300))
STAR = observe(DIDS[12]).star
OF_STAR = [did for did in DIDS if observe(did).star == STAR]
HERE = SkyCoord(STAR.ra, STAR.dec, unit="deg")


def test_every_spectrum_is_listed_with_units() -> None:
    table = harvester.list_spectra("demo", rate=0)
    assert sorted(table["id"]) == sorted(DIDS)
    (row,) = table[table["id"] == DIDS[12]]
    assert SkyCoord(row["ra"], row["dec"]).separation(HERE) < 1 * u.arcsec
    assert row["wave_min"].to_value(u.AA) == pytest.approx(observe(DIDS[12]).wave_limits[0])
    assert row["object"] == STAR.name


def test_a_skycoord_narrows_the_list_and_the_list_is_a_catalog(tmp_path: Path) -> None:
    band, size = (6500 * u.AA, 6600 * u.AA), 10 * u.arcmin
    near = harvester.list_spectra("demo", pos=HERE.galactic, size=size, band=band, rate=0)
    assert sorted(near["id"]) == sorted(OF_STAR)
    result = harvester.harvest_sync(near, archive="demo", out=tmp_path / "out", limits=QUICK)
    assert result.complete
    assert {spectrum.did for spectrum in result} == set(OF_STAR)
    stored = result[OF_STAR[0]]
    assert float(stored.columns["ra"]) == pytest.approx(STAR.ra), "a Quantity is a plain number in the catalog"
    np.testing.assert_allclose(float(stored.columns["wave_min"]) * 1e10, stored.wave[0], rtol=1e-6)


def test_a_time_and_a_number_narrow_it_too() -> None:
    first = Time(observe(DIDS[12]).mid_time, format="mjd")
    night = harvester.list_spectra("demo", time=(first - 1 * u.d, first + 1 * u.d), rate=0)
    assert DIDS[12] in set(night["id"])
    assert np.all(np.abs(night["time"] - first.mjd * u.d) < 3 * u.d)
    assert len(harvester.list_spectra("demo", target="no such star", rate=0)["id"].astype(str)) == 0
    assert len(harvester.list_spectra("demo", most=5, rate=0)) == 5
    with pytest.raises(harvester.UsageError, match=r"^most = -1: a number above 0"):
        harvester.list_spectra("demo", most=-1)


def test_a_profile_without_a_service_that_lists_is_named(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text('name = "bare"\ntitle = "bare"\nendpoint = "http://127.0.0.1:9/dlget"\n')
    with pytest.raises(harvester.UsageError, match=r"^archive = '.*bare.toml': its profile has neither `tap` nor"):
        harvester.list_spectra(str(tmp_path / "bare.toml"))
