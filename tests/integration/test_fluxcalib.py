"""``fluxcalib`` and ``preview`` as their users meet them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.config.loading import load
from harvester.demo import DemoArchive, FaultPlan, listed_dids, serve
from harvester.model.failures import FailureKind
from harvester.model.invocation import install_line
from harvester.run.calibrations import CalibrationResult, fetch_calibrations, offered_fluxcalibs
from tests.integration.test_command_line import demo, run
from tests.support.harvests import harvest_demo, plan_faults
from tests.support.paths import REPOSITORY
from tests.unit.plots.test_figure import svg_words

DIDS = list(listed_dids(10))
DID = DIDS[0]
NAME = DID.rpartition("/")[2]
USUAL = (None, "normalized", "relative", "UNCALIBRATED")


@pytest.fixture(scope="module")
def archive() -> Iterator[str]:
    with demo("--count", "10") as url:
        yield url


def test_the_figure_of_the_demo_archive(tmp_path: Path) -> None:
    done = run("fluxcalib", DID, "--archive", "demo", "-o", "figure.svg", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "figure.svg\n", "")
    words = svg_words((tmp_path / "figure.svg").read_bytes())
    assert {"As served (no FLUXCALIB)", "FLUXCALIB=normalized", "FLUXCALIB=relative", "FLUXCALIB=UNCALIBRATED"} <= {
        *words
    }
    assert "1 997 points" in words


@pytest.mark.parametrize(("file", "magic"), [(f"{NAME}.png", b"\x89PNG"), ("x.PDF", b"%PDF")])
def test_other_formats_and_the_default_name(file: str, magic: bytes, archive: str, tmp_path: Path) -> None:
    output = [] if file.startswith(NAME) else ["-o", file]
    assert run("fluxcalib", DID, "--archive", archive, *output, cwd=tmp_path).returncode == 0
    assert (tmp_path / file).read_bytes().startswith(magic)
    assert [path.name for path in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize(("encoding", "dots"), [("utf-8", "⣀"), ("ascii", ".")])
def test_show_draws_in_the_terminal_and_writes_nothing(encoding: str, dots: str, archive: str, tmp_path: Path) -> None:
    done = run(
        "fluxcalib", DID, "--archive", archive, "--show", "--band", "6500 6600 AA",
        cwd=tmp_path, COLUMNS="60", PYTHONIOENCODING=encoding,
    )  # fmt: skip
    assert done.returncode == 0
    assert dots in done.stdout
    assert done.stdout.isascii() == (encoding == "ascii")
    assert max(map(len, done.stdout.splitlines())) < 60
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_spectrum_is_one_sentence(archive: str, tmp_path: Path) -> None:
    done = run("fluxcalib", f"{DID}x", "--archive", archive, cwd=tmp_path)
    assert done.returncode == 5
    assert done.stderr.startswith(f"harvester: {DID}x: nothing to draw: 404, unknown to the archive: HTTP 404")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    done = run("fluxcalib", DID, "--archive", "http://127.0.0.1:9/dlget", cwd=tmp_path)
    assert done.returncode == 5
    assert "no connection to the archive" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsuch"], "no spectrum is called 'nonsuch'"),
        (["http://x/y"], "is not a publisher DID"),
        ([DID, "-o", "x.gif"], "ends in .png, .svg or .pdf"),
        ([DID, "-o", "nowhere/x.png"], "-o nowhere/x.png: there is no directory nowhere"),
        ([DID, "--band", "red"], "two limits are needed"),
    ],
)
def test_mistakes_are_reported_before_anything_is_requested(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run("fluxcalib", *arguments, "--archive", "http://127.0.0.1:9/dlget", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_matplotlib_it_says_what_to_install_and_show_works(archive: str, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError\n")
    path = f"{tmp_path}:{REPOSITORY}"
    done = run("fluxcalib", DID, "--archive", archive, cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 2
    assert done.stderr == f"harvester: figures need matplotlib: {install_line('specharvest[plots]')}\n"
    assert run("fluxcalib", DID, "--archive", archive, "--show", cwd=tmp_path, PYTHONPATH=path).returncode == 0


async def calibrations(faults: FaultPlan, **flags: object) -> tuple[dict[str | None, CalibrationResult], int]:
    """What came of each setting, and how many requests the archive saw."""
    async with serve(DemoArchive(count=10, faults=faults)) as running:
        config = load({"archive": running.dlget, "limits": {"rate": 0, "concurrency": 4}, **flags})
        fetched = await fetch_calibrations(config, DID, offered_fluxcalibs(config.profile))
        return {one.fluxcalib: one for one in fetched}, running.log.requests


def test_only_what_the_archive_offers_is_requested() -> None:
    profile = load({"archive": "ondrejov"}).profile
    offers = {
        (): USUAL,
        ("RELATIVE",): (None, "RELATIVE"),
        ("odd", "uncalibrated", "Normalized"): (None, "Normalized", "uncalibrated", "odd"),
    }
    for offered, asked in offers.items():
        assert offered_fluxcalibs(replace(profile, fluxcalibs=offered)) == asked
    assert offered_fluxcalibs(replace(profile, parameters=("ID", "BAND"))) == (None,)


def test_an_archive_without_normalized_has_its_own_panels(archive: str, tmp_path: Path) -> None:
    (tmp_path / "stock.toml").write_text(
        f'name = "stock"\ntitle = "Stock DaCHS"\nendpoint = "{archive}"\nfluxcalibs = ["RELATIVE"]\n'
    )
    done = run("fluxcalib", DID, "--archive", "stock.toml", "-o", "x.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    words = svg_words((tmp_path / "x.svg").read_bytes())
    assert [word for word in words if "FLUXCALIB" in word] == ["As served (no FLUXCALIB)", "FLUXCALIB=RELATIVE"]


async def test_each_setting_is_requested_once_and_proved() -> None:
    fetched, requests = await calibrations(FaultPlan())
    assert tuple(fetched) == USUAL
    assert all(one.spectrum is not None and one.problem == "" for one in fetched.values())
    assert requests == 4


async def test_counts_fail_only_where_something_else_was_requested() -> None:
    fetched, _ = await calibrations(plan_faults(n0="counts"))
    assert [one.fluxcalib for one in fetched.values() if one.spectrum] == [None, "UNCALIBRATED"]
    assert fetched["relative"].problem == "flux that is not relative, although that was requested"
    assert fetched["normalized"].problem == "flux that is not normalized, although that was requested"


async def test_a_server_error_costs_one_panel() -> None:
    fetched, requests = await calibrations(plan_faults(n0=("http_500", 1)))
    failed = [one for one in fetched.values() if one.failure]
    assert [one.failure.kind for one in failed if one.failure] == [FailureKind.SERVER_ERROR]
    assert requests == 4


async def test_a_cutout_of_a_relative_spectrum_may_stay_below_one() -> None:
    fetched, _ = await calibrations(FaultPlan(), band="6700 6730 AA")
    relative = fetched["relative"].spectrum
    assert relative is not None
    assert relative.flux.max() < 1


async def test_what_is_unknown_is_requested_no_further() -> None:
    async with serve(DemoArchive(count=1)) as running:
        config = load({"archive": running.dlget, "limits": {"concurrency": 1}})
        fetched = await fetch_calibrations(config, DIDS[5], USUAL)
        assert {one.failure.kind for one in fetched if one.failure} == {FailureKind.NOT_FOUND}
        assert running.log.requests == 1


async def test_preview_draws_what_is_stored_by_name_or_did_without_asking(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 3)
    place = ["--out", "out", "--archive", "http://127.0.0.1:9/dlget"]
    for name in (NAME, DID):
        done = run("preview", name, *place, cwd=tmp_path, PYTHONIOENCODING="utf-8")
        assert (done.returncode, done.stderr) == (0, "")
        assert "FLUXCALIB=normalized" in done.stdout
    assert run("preview", NAME, *place, "--png", "p.png", cwd=tmp_path).returncode == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    file = tmp_path / "out" / f"{NAME}.fits"
    file.write_bytes(file.read_bytes()[:-2880])
    done = run("preview", DID, *place, cwd=tmp_path)
    assert done.returncode == 3
    assert "harvester verify" in done.stderr


async def test_a_name_that_the_ledger_knows_will_do_for_fluxcalib(tmp_path: Path, archive: str) -> None:
    await harvest_demo(tmp_path / "out", 3)
    done = run("fluxcalib", NAME, "--out", "out", "--archive", archive, "-o", "x.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_preview_fetches_what_is_not_stored(tmp_path: Path, archive: str) -> None:
    done = run("preview", DID, "--archive", archive, cwd=tmp_path, PYTHONIOENCODING="utf-8")
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
