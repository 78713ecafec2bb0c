"""A second archive, and a third and a fourth, from an address to verified files, through the command line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from click.testing import CliRunner

from harvester import events as ev
from harvester.cli import commands
from harvester.config.profiles import load_profile
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.demo.observations import observe
from harvester.errors import UsageError
from harvester.model.failures import FailureKind
from harvester.model.target import SpectrumId
from tests.integration.test_discover_command import in_a_thread
from tests.support.archives import COUNT, DIDS, NAMES, OtherArchive, other_archive
from tests.support.harvests import fits_names, harvest_from

QUICK = ["--rate", "0", "--attempts", "3", "--progress", "none"]
OUT = Path("data/mine")


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtherArchive]:
    monkeypatch.setenv("HARVESTER_LIMITS__FIRST_WAIT", "0.01")
    with in_a_thread(other_archive) as running:
        yield running


def said(*arguments: str) -> tuple[Any, str]:
    """The exit code of a command, and what it wrote. An error is the test's to expect."""
    done = CliRunner().invoke(commands, arguments, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.return_value, done.output


def discovered(url: str) -> str:
    code, words = said("discover", url, "-o", "mine.toml", "--catalog", "mine.csv", "--rate", "0", "--no-sample")
    assert code == 0
    assert f"{COUNT} spectra" in words
    return words


def run(*more: str) -> Any:
    return said("run", "--archive", "mine.toml", "--catalog", "mine.csv", *QUICK, *more)[0]


def failed() -> dict[str, dict[str, Any]]:
    """What ``failures`` tells, by the last part of the DID."""
    result = json.loads(said("failures", "--archive", "mine.toml", "--json")[1])
    return {failure["id"].rpartition("/")[2]: failure for failure in result}


def columns_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- stock DaCHS


def test_stock_dachs_is_harvested_as_it_was_observed_without_a_setting(archive: OtherArchive) -> None:
    words = discovered(f"{archive.base}/feros/q/ssa/ssap.xml")
    assert "FLUXCALIB   RELATIVE, UNCALIBRATED" in words
    assert "normalized is not offered: FLUXCALIB is left out" in words
    assert load_profile("mine.toml").settings == {"fluxcalib": "none"}
    assert run() == 0
    assert fits_names(OUT) == set(NAMES), "the DID's own ending counts once"
    with fits.open(OUT / NAMES[4]) as hdus:
        assert hdus[1].header["DS_IDPUB"] == DIDS[4], "to the letter, question mark and tilde included"
        assert hdus[1].header["FLUX_CAL"] == "UNCALIBRATED"
    assert archive.asked["/feros/q/sdl/dlget"] == COUNT
    assert said("verify", "--archive", "mine.toml")[0] == 0
    assert run() == 0
    assert archive.asked["/feros/q/sdl/dlget"] == COUNT, "nothing is asked twice"


def test_stock_dachs_scales_where_it_is_asked_to_in_any_spelling(archive: OtherArchive) -> None:
    discovered(f"{archive.base}/feros/q/ssa/ssap.xml")
    assert run("--fluxcalib", "relative", "--band", "6500 6600 AA") == 0
    with fits.open(OUT / NAMES[0]) as hdus:
        assert hdus[1].header["FLUX_CAL"] == "RELATIVE"


def test_normalized_is_refused_in_a_sentence_before_anything_is_asked(archive: OtherArchive) -> None:
    discovered(f"{archive.base}/feros/q/ssa/ssap.xml")
    with pytest.raises(UsageError, match="mine offers RELATIVE, UNCALIBRATED"):
        run("--fluxcalib", "normalized")
    assert not archive.asked


# ---- plain files


def test_plain_files_packed_or_not_are_had_from_their_addresses(archive: OtherArchive) -> None:
    words = discovered(f"{archive.base}/plain/ssap")
    assert "at the address in each row of the list" in words
    profile = load_profile("mine.toml")
    assert (profile.mode, profile.endpoint, profile.hosts) == ("direct", "", ("127.0.0.1",))
    assert columns_of("mine.csv")[0]["access_url"] == f"{archive.base}/plain/{NAMES[0]}.gz"
    assert run() == 3
    lost = {NAMES[1], NAMES[2]}
    assert fits_names(OUT) == set(NAMES) - lost
    with fits.open(OUT / NAMES[4]) as hdus:
        assert hdus[0].header["OBJECT"] == observe(DIDS[4]).star.name, "the packed ones are stored as FITS"
    result = failed()
    assert {name: failure["kind"] for name, failure in result.items()} == {NAMES[1]: "not_found", NAMES[2]: "truncated"}
    assert "the gzip file ends after" in result[NAMES[2]]["detail"]
    assert (OUT / ".harvester" / "quarantine" / f"{Path(NAMES[2]).stem}.truncated.body").read_bytes()[:2] == b"\x1f\x8b"
    assert said("verify", "--archive", "mine.toml")[0] == 0


def test_what_failed_is_asked_for_again_at_its_address(archive: OtherArchive) -> None:
    discovered(f"{archive.base}/plain/ssap")
    assert run() == 3
    said("failures", "--archive", "mine.toml", "--csv", "again.csv")
    assert [row["access_url"] for row in columns_of("again.csv")] == [
        f"{archive.base}/plain/{NAMES[1]}",
        f"{archive.base}/plain/{NAMES[2]}.gz",
    ]
    before = archive.asked.copy()
    assert run("--only-failed") == 3
    assert said("run", "--archive", "mine.toml", "--catalog", "again.csv", *QUICK)[0] == 3
    assert set(archive.asked - before) == {f"/plain/{NAMES[1]}", f"/plain/{NAMES[2]}.gz"}


def test_an_interrupted_pull_goes_on_at_the_addresses(archive: OtherArchive) -> None:
    discovered(f"{archive.base}/plain/ssap")
    assert run("--limit", "5") == 4
    assert run() == 3
    assert len(fits_names(OUT)) == COUNT - 2


def test_a_template_in_the_profile_needs_no_addresses(archive: OtherArchive) -> None:
    template = f"{archive.base}/files/{{name}}"
    Path("mine.toml").write_text(
        f'name = "mine"\ntitle = "files"\nmode = "direct"\nidentity_card = ""\nendpoint = "{template}"\n',
        encoding="utf-8",
    )
    Path("mine.csv").write_text("\n".join(["id", *DIDS]), encoding="utf-8")
    assert run() == 0
    assert fits_names(OUT) == set(NAMES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("access_url", "url"), "it has no column 'access_url'"),
        (lambda text: text.replace("//127.0.0.1", "//elsewhere.example"), "that is another host"),
        (lambda text: re.sub(r"http://127[^,\n]*", "", text), "has no access_url"),
    ],
)
def test_a_catalog_that_leads_nowhere_is_refused_before_any_request(
    archive: OtherArchive, change: Any, words: str
) -> None:
    discovered(f"{archive.base}/plain/ssap")
    file = Path("mine.csv")
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        run()
    assert not archive.asked


def test_one_row_that_leads_elsewhere_fails_alone(archive: OtherArchive) -> None:
    discovered(f"{archive.base}/plain/ssap")
    file = Path("mine.csv")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"//127.0.0.1:{archive.port}/plain/{NAMES[3]}", "//elsewhere.example/x"), "utf-8")
    assert run() == 3
    failure = failed()[NAMES[3]]
    assert (failure["kind"], failure["attempts"]) == ("no_url", 1)
    assert "'http://elsewhere.example/x': that is another host (hosts in the archive's" in failure["detail"]


@pytest.mark.parametrize("flag", [["--fluxcalib", "normalized"], ["--band", "6500 6600 AA"], ["--format", "text/csv"]])
def test_what_the_archive_does_not_offer_is_refused_before_any_request(archive: OtherArchive, flag: list[str]) -> None:
    discovered(f"{archive.base}/plain/ssap")
    with pytest.raises(UsageError, match="serves its files as they are"):
        run(*flag)
    with pytest.raises(UsageError, match="without a service that calibrates them"):
        said("fluxcalib", DIDS[0], "--archive", "mine.toml")
    assert not archive.asked


# ---- datalink documents


def test_datalink_documents_lead_to_files_on_a_host_that_the_profile_names(archive: OtherArchive) -> None:
    words = discovered(f"{archive.base}/linked/ssap")
    assert "what the datalink document of each calls #this" in words
    assert "hosts       localhost, another host than you named" in words
    profile = load_profile("mine.toml")
    assert (profile.mode, profile.endpoint, profile.hosts) == ("datalink", "", ("127.0.0.1", "localhost"))
    archive.asked.clear()  # what discovery asked
    assert run() == 3
    assert fits_names(OUT) == set(NAMES) - {NAMES[3], NAMES[5]}
    result = failed()
    assert {name: failure["kind"] for name, failure in result.items()} == {
        NAMES[3]: "not_found",
        NAMES[5]: "no_datalink",
    }
    assert result[NAMES[5]]["detail"] == "FatalFault: the tape is torn"
    documents = [archive.asked[f"/links/{name}"] for name in NAMES]
    assert documents == [1, 3, 1, 1, 1, 2, *[1] * 6], "a TransientFault is asked again, a NotFoundFault is not"
    [summary] = OUT.glob(".harvester/runs/*/summary.json")
    assert json.loads(summary.read_text())["requests"] == sum(archive.asked.values()), "both requests count"


def test_a_file_on_a_host_that_the_profile_does_not_name_is_not_asked_for(archive: OtherArchive) -> None:
    discovered(f"{archive.base}/linked/ssap")
    profile = Path("mine.toml")
    profile.write_text(re.sub(r'\s*"localhost",', "", profile.read_text(encoding="utf-8")), encoding="utf-8")
    assert load_profile("mine.toml").hosts == ("127.0.0.1",)
    archive.faults, archive.busy = {}, None  # chance decides which are asked, and all shall answer alike
    assert run() == 7
    assert not [path for path in archive.asked if path.startswith("/files/")]
    assert failed() == {}, "the profile is at fault, no spectrum"
    [summary] = OUT.glob(".harvester/runs/*/summary.json")
    assert "that is another host (hosts in the archive's profile has 127.0.0.1)" in summary.read_text()


@pytest.mark.parametrize(("links", "requests"), [(1, 7), (50, 5)])
async def test_the_demo_archive_serves_its_originals_by_datalink_too(tmp_path: Path, links: int, requests: int) -> None:
    unknown = SpectrumId("ivo://asu.cas.cz/stel/ccd700/unknown")
    async with serve(DemoArchive(count=3)) as running:
        lines = ['name = "mine"', 'title = "originals"', 'mode = "datalink"', 'identity_card = ""']
        lines.append(f"links_per_request = {links}")
        profile = tmp_path / "mine.toml"
        profile.write_text("\n".join([*lines, f'endpoint = "{running.dlmeta}"']), encoding="utf-8")
        result = await harvest_from(running, tmp_path / "out", [*listed_dids(3), unknown], profile=str(profile))
    assert result.report.stats.failures == {FailureKind.NOT_FOUND: 1}
    assert result.report.stats.saved == 3
    assert running.log.requests == result.report.stats.requests == requests
    did = next(listed_dids(1))
    [saved] = [one.outcome for one in result.of(ev.SpectrumSaved) if one.outcome.target.did == did]
    assert "/getproduct/" in saved.url, "where the file itself came from"
    with fits.open(tmp_path / "out" / saved.target.file_name) as hdus:
        assert hdus[0].header["OBJECT"] == observe(did).star.name
