"""What a harvest holds, as everything that is made of it reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from harvester.dataset.stored_files import DamagedError, read_stored, stored_files
from harvester.errors import UsageError
from harvester.fits.observation import observation_of
from harvester.storage.directory import DirectoryStore
from tests.support.harvests import harvest_demo, plan_faults


async def test_each_stored_spectrum_comes_with_its_receipt_and_its_label(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvest_demo(out, 6, plan_faults(n2="http_404"))
    held = list(stored_files(DirectoryStore(out)))
    assert [Path(stored.path).name for stored in held] == sorted(path.name for path in out.glob("*.fits"))
    assert len(held) == 5
    assert all(Path(stored.path).stat().st_size == stored.size for stored in held)
    assert {stored.columns["label"] for stored in held} <= {"0", "1", "2", "3"}


async def test_it_is_read_as_astropy_reads_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvest_demo(out, 3)
    for stored in stored_files(DirectoryStore(out)):
        spectrum = read_stored(stored)
        with fits.open(stored.path) as hdus:
            np.testing.assert_array_equal(spectrum.flux, hdus[1].data["flux"])
            header = hdus[1].header
        shown = observation_of(spectrum)
        assert (shown.object_name, shown.ra, shown.dec) == (header["OBJECT"], header["RA"], header["DEC"])
        assert (shown.mjd, shown.exposure) == (header["TMID"], header["TELAPSE"])


async def test_a_file_that_is_not_what_was_stored_is_reported_from_one_that_is_gone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvest_demo(out, 3)
    first, second, third = stored_files(DirectoryStore(out))
    Path(first.path).unlink()
    body = bytearray(Path(second.path).read_bytes())
    body[-2000] ^= 1
    Path(second.path).write_bytes(body)
    with pytest.raises(DamagedError, match="gone"):
        read_stored(first)
    with pytest.raises(DamagedError, match="SHA-256 differs"):
        read_stored(second)
    assert read_stored(third).flux.size


def test_without_a_ledger_the_sentence_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="verify --fix"):
        list(stored_files(DirectoryStore(tmp_path)))
