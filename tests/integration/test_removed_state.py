"""The state folder is removed under a running harvest: it says so, ends in order, and no second one starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harvester import events as ev
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.engine.engine import WORKERS_PER_REQUEST_SLOT
from harvester.errors import DirectoryHeldError, HarvestError
from harvester.ledger import queries
from harvester.run.execute import locked_store
from tests.support.harvests import QUICK, fits_names, harvest_from, leftovers

COUNT = 12


REPLACED: dict[str, Callable[[Path], object]] = {
    "nothing": lambda state: None,
    "a file": lambda state: state.write_bytes(b"mine"),
    "another folder": Path.mkdir,
    "a link to nothing": partial(Path.symlink_to, target="nowhere"),
    "a link to itself": partial(Path.symlink_to, target=".harvester"),
    "a link to another folder": partial(Path.symlink_to, target=".."),
}


@pytest.mark.parametrize("how", REPLACED)
async def test_a_run_whose_state_is_replaced_stores_nothing_beside_another_and_says_so(
    tmp_path: Path, how: str
) -> None:
    out, saved, held = tmp_path / "out", 0, 0

    def replace(event: ev.Event) -> None:
        nonlocal saved, held
        saved += isinstance(event, ev.SpectrumSaved)
        if isinstance(event, ev.SpectrumSaved) and saved == 3:
            (out / ".harvester").rename(tmp_path / "aside")
            REPLACED[how](out / ".harvester")
            try:
                with locked_store(load({"out": str(out), "archive": "demo"}), "second"):
                    pass
            except HarvestError:  # another run is using it, or what is there is no folder
                held += 1

    async with serve(DemoArchive(count=COUNT)) as archive:
        done = await harvest_from(archive, out, listed_dids(COUNT), watchers=[replace])
        assert (done.report.stats.exit_code, held) == (6, 1)
        assert "was removed or replaced during the run" in done.report.stats.reason
        before = fits_names(out)
        assert len(before) >= 3
        clear(out / ".harvester")
        again = await harvest_from(archive, out, listed_dids(COUNT))
        assert (again.report.stats.exit_code, again.report.stats.present) == (0, len(before))
        assert sum(archive.log.by_did.values()) <= COUNT + WORKERS_PER_REQUEST_SLOT * QUICK["concurrency"]
    assert len(fits_names(out)) == COUNT
    assert not leftovers(out)


def clear(state: Path) -> None:
    """Remove what a user put in place of the state folder."""
    if state.is_symlink() or state.is_file():
        state.unlink()
    elif state.exists():
        shutil.rmtree(state)


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
