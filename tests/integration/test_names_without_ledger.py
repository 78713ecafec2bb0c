"""One file name, one spectrum, also without the ledger; what is lost stays visible until it is fetched or dropped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from harvester.audit.check_store import StoreCheck, check_store
from harvester.catalog.names import slug_name
from harvester.cli import commands
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.ledger import queries
from harvester.model.target import SpectrumId
from tests.support.harvests import Harvested, fits_names, harvest_from

A = SpectrumId("ivo://asu.cas.cz/stel/ccd700/x0001")
B = SpectrumId("ivo://asu.cas.cz/stel/ccd700/other/x0001")
OTHERS = list(listed_dids(4))
DIDS = list(listed_dids(6))


async def harvested(out: Path, dids: list[SpectrumId]) -> tuple[Harvested, set[str]]:
    async with serve(DemoArchive(knows_any=True)) as archive:
        shown = await harvest_from(archive, out, dids)
        assert shown.report.stats.exit_code == 0
        return shown, set(archive.log.by_did)


def checked(out: Path, fix: bool = False) -> StoreCheck:
    configuration = load({"out": str(out), "archive": "demo"})
    return check_store(configuration, fix=fix, processes=1, progress=lambda done, total: None)


def forget(out: Path) -> None:
    for path in (out / ".harvester").glob("ledger.sqlite*"):
        path.unlink()


def typed(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(commands, list(map(str, arguments)), standalone_mode=False, catch_exceptions=False)
    return done.return_value or 0, done.output


async def test_a_shared_last_segment_without_the_ledger_makes_no_second_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvested(out, [A, *OTHERS])
    shown, requested = await harvested(out, [A, B, *OTHERS])
    assert requested == {B}, "A keeps its name"
    names = fits_names(out)
    assert names >= {"x0001.fits", f"{slug_name(B)}.fits"}
    forget(out)
    shown, requested = await harvested(out, [A, B, *OTHERS])
    assert (requested, fits_names(out)) == (set(), names)
    assert shown.report.stats.present == 6
    assert checked(out).faults == []


async def test_a_slug_without_the_ledger_stays_although_its_segment_is_free_now(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvested(out, [A, B])
    names = fits_names(out)
    assert names == {f"{slug_name(A)}.fits", f"{slug_name(B)}.fits"}
    forget(out)
    _, requested = await harvested(out, [B])
    assert (requested, fits_names(out)) == (set(), names)


async def test_a_second_file_of_a_spectrum_is_found_and_named_and_fix_moves_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvested(out, [A, *OTHERS])
    shutil.copy(out / "x0001.fits", out / f"{slug_name(A)}.fits")
    for known in (True, False):
        (fault,) = checked(out).faults
        assert (fault.check, fault.did) == ("uniqueness", A)
        assert f"it is a second file of {A}, which " in fault.detail
        assert not known or fault.name == slug_name(A), "the ledger's file is the spectrum's own"
        if known:
            code, said = typed("verify", "--out", out)
            assert (code, f"{slug_name(A)}.fits: it is a second file of" in said) == (3, True)
            forget(out)
    stock = checked(out, fix=True)
    assert (stock.set_aside, stock.sound) == (1, 5)
    assert len(fits_names(out)) == 5
    assert len((out / "SHA256SUMS").read_text().splitlines()) == 5
    assert checked(out).faults == []


async def test_a_loss_stays_visible_until_it_is_fetched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvested(out, DIDS)
    name = DIDS[0].rpartition("/")[2]
    (out / f"{name}.fits").write_bytes((out / f"{name}.fits").read_bytes()[:-2880])
    (out / f"{DIDS[1].rpartition('/')[2]}.fits").unlink()
    assert len(checked(out, fix=True).faults) == 2
    for _ in range(2):
        assert [(fault.did, fault.check) for fault in checked(out).faults] == [(did, "presence") for did in DIDS[:2]]
        assert len(checked(out, fix=True).faults) == 2
    code, said = typed("verify", "--out", out)
    assert (code, said.count("it was stored and is gone; the next run downloads it again")) == (3, 2)
    assert json.loads(typed("status", "--json", "--out", out)[1])["lost"] == 2
    assert "2 that were stored are gone" in typed("status", "--out", out)[1]
    _, requested = await harvested(out, DIDS)
    assert requested == set(DIDS[:2])
    assert checked(out).faults == []
    assert json.loads(typed("status", "--json", "--out", out)[1])["lost"] == 0


async def test_a_loss_that_the_user_drops_from_the_catalog_is_forgotten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvested(out, DIDS)
    (out / f"{DIDS[0].rpartition('/')[2]}.fits").unlink()
    assert len(checked(out, fix=True).faults) == 1
    _, requested = await harvested(out, DIDS[1:])
    assert requested == set()
    assert checked(out).faults == []


async def test_a_lost_file_that_comes_back_is_no_loss(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvested(out, DIDS)
    path = out / f"{DIDS[0].rpartition('/')[2]}.fits"
    path.rename(tmp_path / path.name)
    assert len(checked(out, fix=True).faults) == 1
    (tmp_path / path.name).rename(path)
    assert checked(out).faults == []
    assert checked(out, fix=True).faults == []
    assert queries.lost(out / ".harvester" / "ledger.sqlite") == []
