"""The state folder is removed under a running harvest: it says so, ends in order, and no second one starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harvester import events as ev
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.errors import DirectoryHeldError
from harvester.ledger import queries
from harvester.run.execute import locked_store
from tests.support.harvests import fits_names, harvest_from, leftovers

COUNT = 12


@pytest.mark.parametrize("whole", [False, True], ids=["its state", "all of it"])
async def test_a_run_whose_folder_was_removed_says_so_and_the_next_one_completes_it(
    tmp_path: Path, whole: bool
) -> None:
    out, saved = tmp_path / "out", 0

    def remove(event: ev.Event) -> None:
        nonlocal saved
        saved += isinstance(event, ev.SpectrumSaved)
        if isinstance(event, ev.SpectrumSaved) and saved == 3:
            shutil.rmtree(out if whole else out / ".harvester")
            if whole:
                return
            held = pytest.raises(DirectoryHeldError, match="another run is using this directory")
            with held, locked_store(load({"out": str(out), "archive": "demo"}), "second"):
                pass
            shutil.rmtree(out / ".harvester")  # which the attempt has made again

    async with serve(DemoArchive(count=COUNT)) as archive:
        done = await harvest_from(archive, out, listed_dids(COUNT), watchers=[remove])
        assert done.report.stats.exit_code == 6
        assert ("removed" in done.report.stats.reason) or whole
        assert done.report.stats.remaining
        before = fits_names(out) if out.exists() else set()
        assert whole or len(before) >= 3
        again = await harvest_from(archive, out, listed_dids(COUNT))
        assert again.report.stats.exit_code == 0
        assert (again.report.stats.present, again.report.stats.saved) == (len(before), COUNT - len(before))
        assert sum(archive.log.by_did.values()) <= 2 * COUNT
    assert len(fits_names(out)) == COUNT
    assert not leftovers(out)
    assert len(list(queries.stored_dids(out / ".harvester" / "ledger.sqlite"))) == COUNT
