"""The report: one page about a run, from the archive in a box to HTML."""

from __future__ import annotations

import html.parser
import json
import math
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harvester
from harvester.config.profiles import load_profile
from harvester.dataset.stored_files import StoredFile
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.errors import StoreError, UsageError
from harvester.model.failures import FailureKind
from harvester.report import page as pages
from harvester.report.data.early_sample import EarlySample
from harvester.report.data.report_data import ReportData, gather
from harvester.report.data.run_record import read_run_record
from harvester.report.html import Markup, element
from harvester.report.page import page, policy, stylesheet
from harvester.report.sections.missing import is_worth_another_run
from harvester.report.sections.stacked_spectra import _bands
from harvester.run import report_preparation
from harvester.storage.directory import DirectoryStore
from tests.integration.test_command_line import run
from tests.support.harvests import Harvested, harvest_demo, harvest_from, plan_faults, write_catalog

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(1)> & \u202e"


class Page(html.parser.HTMLParser):
    """What a browser makes of it, as far as tests ask: its elements, and its words."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self._words: list[str] = []
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements end in the order they began"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self._words.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def about(out: Path, **rest: Any) -> tuple[ReportData, Page]:
    data = gather(DirectoryStore(out), None, 0.0, **rest)
    return data, Page(page(data))


async def a_night(tmp_path: Path) -> Harvested:
    """Twelve spectra: one unknown to the archive, one page in place of FITS, one that came at the second attempt."""
    faults = plan_faults(n1="http_404", n2=("traceback", 1), n3="html", n4=("http_500", 1))
    return await harvest_demo(tmp_path / "out", 12, faults, limits={"attempts": 2})


async def test_a_run_leaves_a_page_beside_its_books_and_says_where(tmp_path: Path) -> None:
    result = await a_night(tmp_path)
    made = result.report.page
    assert made == result.report.folder / "report.html"
    assert made is not None
    assert Page(made.read_bytes()).words.count("10 of 12 spectra on disk") == 2, "in the title, and as the headline"
    assert result.report.warnings == []


async def test_it_tells_what_is_not_there_why_and_what_to_type(tmp_path: Path) -> None:
    await a_night(tmp_path)
    _, seen = about(tmp_path / "out")
    assert "404, unknown to the archive" in seen.words
    assert "No spectrum with this pubDID known here" in seen.words, "the server's own words"
    assert f"python -m harvester failures --out {tmp_path / 'out'}" in seen.words
    assert "a web page or text instead of FITS" in seen.words


async def test_a_complete_run_says_so_and_nothing_is_missing(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 6)
    _, seen = about(tmp_path / "out")
    assert "Complete: all 6 spectra on disk and verified." in seen.words
    assert "Nothing is missing." in seen.words


async def test_it_tells_what_was_asked_and_how_politely(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 3, band="6500 6700 AA", contact="me@observatory.example")
    _, seen = about(tmp_path / "out")
    for said in ("FLUXCALIB normalized", "BAND 6.5e-07 6.7e-07", "FORMAT application/fits", "mailto:me@observatory"):
        assert said in seen.words
    assert "3 requests for 3 spectra, 0 retries" in seen.words


async def test_it_has_one_rate_and_tells_what_of_the_log_is_broken(tmp_path: Path) -> None:
    result = await a_night(tmp_path)
    with (result.report.folder / "events.jsonl").open("a") as log:
        log.write('{"event": "spect')
    data, seen = about(tmp_path / "out")
    receipt = data.record.politeness
    average = f"{receipt['average_per_second']:.3g} per second"
    assert f"requests {receipt['requests']} {average}" in seen.words
    assert f"rate {average} on average" in seen.words
    assert "Attempts that ended, per second" in seen.words
    assert "1 line of the log could not be read." in seen.words


async def test_every_picture_has_a_title_and_words_that_stand_for_it(tmp_path: Path) -> None:
    await a_night(tmp_path)
    content = page(gather(DirectoryStore(tmp_path / "out"), None, 0.0)).decode()
    pictures = re.findall(r'<svg(?=[^>]*role="img").*?</svg>', content, re.DOTALL)
    assert len(pictures) > 10
    for picture in pictures:
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", picture)


async def test_h_alpha_is_marked_in_every_spectrum_that_has_it(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 6)
    content = page(gather(DirectoryStore(tmp_path / "out"), None, 0.0)).decode()
    curves = [part for part in content.split("<svg ") if "<title>Spectrum of " in part or "flux" in part]
    assert content.count("<title>Spectrum of ") == content.count("Hα is marked.") == 6
    assert sum('class="mark"' in part for part in curves) == 6


async def test_a_band_without_h_alpha_is_drawn_and_said(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 4, band="6600 6700 AA")
    data, seen = about(tmp_path / "out")
    assert "Hα outside" in seen.words
    assert "4 without Hα in their range" in seen.words
    assert data.gallery.unusual == []


async def test_the_same_run_makes_the_same_page(tmp_path: Path) -> None:
    await a_night(tmp_path)
    pages = {page(gather(DirectoryStore(tmp_path / "out"), None, 5e8)) for _ in range(3)}
    assert len(pages) == 1
    later = page(gather(DirectoryStore(tmp_path / "out"), None, 6e8)).decode()
    assert later.replace("1989-01-05 10:40 UT", "1985-11-05 00:53 UT") == pages.pop().decode()


def _without_times(content: bytes) -> str:
    """The page without the times of its making, which differ."""
    return re.sub(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})? UT", "TIME", content.decode())


@pytest.mark.parametrize(
    ("interval", "busy"),
    [
        pytest.param(0.001, math.inf, id="read during the run"),
        pytest.param(3600.0, math.inf, id="read at its end"),
        pytest.param(0.001, 0.0, id="busy to the end"),
    ],
)
async def test_the_page_of_a_run_is_what_report_writes_later(
    interval: float, busy: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_preparation, "INTERVAL", interval)
    monkeypatch.setattr(report_preparation, "BUSY", busy)
    first = await a_night(tmp_path)
    again = await harvest_demo(tmp_path / "out", 40)
    assert first.report.page is not None
    store = DirectoryStore(tmp_path / "out")
    later = page(gather(store, again.report.stats.run, 1e9))
    assert _without_times(again.report.page.read_bytes()) == _without_times(later)  # type: ignore[union-attr]


async def test_a_report_that_cannot_be_prepared_is_read_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: EarlySample, stored: StoredFile) -> None:
        raise RuntimeError("an odd file")

    monkeypatch.setattr(EarlySample, "read", broken)
    monkeypatch.setattr(report_preparation, "INTERVAL", 0.001)
    monkeypatch.setattr(report_preparation, "BUSY", math.inf)
    first = await harvest_demo(tmp_path / "out", 40)
    assert first.report.warnings == []
    later = page(gather(DirectoryStore(tmp_path / "out"), None, 1e9))
    assert _without_times(first.report.page.read_bytes()) == _without_times(later)  # type: ignore[union-attr]


async def test_it_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    await a_night(tmp_path)
    _, seen = about(tmp_path / "out")
    assert {tag for tag, _ in seen.elements} & {"script", "img", "iframe", "object", "embed", "form"} == set()
    links = [value for _, attributes in seen.elements for name, value in attributes.items() if name in ("href", "src")]
    assert all(link and link.startswith(("#", "data:image/")) for link in links)
    assert not [
        name for _, attributes in seen.elements for name in attributes if name.startswith("on") or name == "style"
    ]
    shields = [meta["content"] for meta in seen.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert shields == [policy(stylesheet())]
    assert "url(http" not in stylesheet()


async def test_hostile_words_of_server_and_catalog_stay_words(tmp_path: Path) -> None:
    await a_night(tmp_path)
    out = tmp_path / "out"
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE entry SET detail = ?, columns = ?", (HOSTILE, json.dumps({"label": HOSTILE})))
    for reason in (out / ".harvester" / "quarantine").glob("*.json"):
        reason.write_text(json.dumps({"id": HOSTILE, "kind": HOSTILE, "detail": HOSTILE, "kept": HOSTILE}))
    _, seen = about(out)
    assert seen.open == []
    assert {tag for tag, _ in seen.elements} & {"script", "img"} == set()
    assert "<script>alert(1)</script>" in seen.words
    assert "\u202e" not in seen.words


@given(st.text(), st.text())
def test_text_never_becomes_markup(text: str, value: str) -> None:
    text, value = (words.encode("utf-8", "replace").decode() for words in (text, value))
    made = element("p", text, title=value)
    parsed = Page(made.encode())
    assert [name for name, _ in parsed.elements] == ["p"]
    assert "".join(parsed._words).replace("\r\n", "\n").replace("\r", "\n") == text.replace("\r\n", "\n").replace(
        "\r", "\n"
    )
    assert parsed.elements[0][1].keys() == {"title"}


def test_only_markup_goes_in_as_it_is() -> None:
    assert element("p", "<b>", Markup("<i></i>"), [None, "&"]) == "<p>&lt;b&gt;<i></i>&amp;</p>"


async def test_a_run_that_was_killed_is_reported_as_far_as_it_got(tmp_path: Path) -> None:
    result = await a_night(tmp_path)
    (result.report.folder / "summary.json").unlink()
    events = result.report.folder / "events.jsonl"
    events.write_bytes(events.read_bytes()[:-300])
    with closing(sqlite3.connect(tmp_path / "out" / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        row = ledger.execute("SELECT summary FROM run").fetchone()[0]
        summary = json.loads(row) | {"exit_code": None, "reason": "running"}
        ledger.execute("UPDATE run SET ended = NULL, summary = ?", (json.dumps(summary),))
    data, seen = about(tmp_path / "out")
    assert "The run is still active or was killed." in seen.words
    assert "The run has not written its politeness report" in seen.words
    assert data.timeline.attempts > 0


async def test_nothing_to_do_is_a_page_as_well(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 3)
    await harvest_demo(tmp_path / "out", 3)
    _, seen = about(tmp_path / "out")
    assert "There was nothing to do" in seen.words
    assert "This run sent no request." in seen.words


async def test_an_archive_that_gave_nothing_makes_a_page_without_spectra(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 2, plan_faults(n0="http_404", n1="http_404"))
    _, seen = about(tmp_path / "out")
    assert "0 of 2 spectra on disk; 2 failed." in seen.words
    assert "No spectrum is stored yet." in seen.words


async def test_an_earlier_run_is_reported_with_what_is_stored_now(tmp_path: Path) -> None:
    first = await harvest_demo(tmp_path / "out", 4, limit=2)
    await harvest_demo(tmp_path / "out", 4)
    data = gather(DirectoryStore(tmp_path / "out"), first.report.stats.run, 0.0)
    assert "1 run came later" in Page(page(data)).words
    assert data.sample.stored == 4


async def test_a_page_that_cannot_be_made_costs_one_line_and_no_harvest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, content: bytes) -> None:
        raise StoreError(f"{path}: the disk is full; make room and run again")

    monkeypatch.setattr(pages, "write_page", broken)
    result = await harvest_demo(tmp_path / "out", 3)
    assert result.report.page is None
    warnings = list(result.report.warnings)
    assert [line for line in warnings if line.startswith("report: StoreError")] == warnings
    assert result.report.stats.exit_code == 0


async def test_what_was_spoilt_on_disk_is_said(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 3)
    victim = sorted((tmp_path / "out").glob("*.fits"))[0]
    victim.write_bytes(victim.read_bytes()[:-2880])
    data, seen = about(tmp_path / "out")
    assert [name for name, _ in data.sample.damaged] == [victim.stem]
    assert "Files that have changed since they were stored" in seen.words


async def test_what_is_gone_since_the_run_is_in_the_headline(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 5)
    sorted((tmp_path / "out").glob("*.fits"))[0].unlink()
    _, seen = about(tmp_path / "out")
    assert "4 of 5 spectra on disk; 1 gone or damaged since." in seen.words
    harvester.verify_store(tmp_path / "out", archive="demo", fix=True)
    data, seen = about(tmp_path / "out")
    assert "4 of 5 spectra on disk; 1 gone or damaged since." in seen.words
    assert "1 not requested yet, or due for a retry" in seen.words
    assert (data.as_json()["lost"], data.as_json()["damaged"]) == (1, [])


async def test_of_very_many_a_sample_is_read_and_it_says_so(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 40)
    data, seen = about(tmp_path / "out", most=10)
    again, _ = about(tmp_path / "out", most=10)
    assert 0 < len(data.sample.spectra) < 30
    assert [one.stored.name for one in data.sample.spectra] == [one.stored.name for one in again.sample.spectra]
    assert f"Of 40 spectra {len(data.sample.spectra)} were read for this page" in seen.words
    assert data.sample.stored == 40


async def test_the_digest_of_all_is_that_of_the_manifest(tmp_path: Path) -> None:
    import hashlib

    await harvest_demo(tmp_path / "out", 3)
    data, _ = about(tmp_path / "out")
    assert data.sample.digest == hashlib.sha256((tmp_path / "out" / "SHA256SUMS").read_bytes()).hexdigest()


async def test_rights_and_citation_that_the_archive_states_are_on_the_page(tmp_path: Path) -> None:
    stated = '[origin]\ncreator = "A. Star; B. Cloud"\ncitation = "10.5072/spectra"\nrights = "CC BY <4.0>"\n'
    async with serve(DemoArchive(count=2)) as archive:
        profile = tmp_path / "mine.toml"
        thanks = 'acknowledgement = "Thank the observatory."\n'
        profile.write_text(f'name = "mine"\ntitle = "Mine"\nendpoint = "{archive.dlget}"\n{thanks}{stated}')
        await harvest_from(archive, tmp_path / "out", listed_dids(2), profile=str(profile))
    words = about(tmp_path / "out")[1].words
    for said in ("Thank the observatory.", "A. Star; B. Cloud", "10.5072/spectra", "CC BY <4.0>"):
        assert said in words
    assert "ask the archive for the acknowledgement" not in words


async def test_a_page_of_an_archive_that_states_nothing_says_whom_to_ask(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 1)
    assert "ask the archive for the acknowledgement it wants" in about(tmp_path / "out")[1].words


@pytest.fixture(scope="module")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import asyncio

    folder = tmp_path_factory.mktemp("report")
    asyncio.run(harvest_demo(folder / "out", 8))
    yield folder
    shutil.rmtree(folder)


def test_the_command_writes_to_the_given_file_and_prints_its_path(harvested: Path) -> None:
    done = run("report", "--out", "out", "-o", "it.html", cwd=harvested)
    assert (done.returncode, done.stdout, done.stderr) == (0, "it.html\n", "")
    assert (harvested / "it.html").read_bytes().startswith(b"<!doctype html>")
    name = read_run_record(DirectoryStore(harvested / "out")).run
    done = run("report", name, "--out", "out", cwd=harvested)
    assert done.stdout == f"out/.harvester/runs/{name}/report.html\n"


def test_as_json_it_has_the_numbers_and_all_label_doubts(harvested: Path) -> None:
    done = run("report", "--out", "out", "--json", cwd=harvested)
    result = json.loads(done.stdout)
    assert result["stored"] == result["read"] == 8
    assert set(result["labels"]) >= {"lacking", "without_h_alpha", "no_emission", "near_identical", "checked"}
    assert result["labels"]["no_emission"] is None, "an archive by its address: the meaning of its labels is unknown"
    done = run("report", "--out", "out", "--archive", "demo", "--json", cwd=harvested)
    assert isinstance(json.loads(done.stdout)["labels"]["no_emission"], list)


def test_only_given_label_settings_replace_those_of_the_run(harvested: Path) -> None:
    (harvested / "mine.toml").write_text('[labels]\nnames = {"0" = "quiet"}\n')
    done = run("report", "--out", "out", "--config", "mine.toml", "--json", "-o", "mine.html", cwd=harvested)
    labels = json.loads(done.stdout)["labels"]
    assert labels["no_emission"] is None, "the default archive's emission labels are not this one's"
    assert "0 quiet" in Page((harvested / "mine.html").read_bytes()).words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsuch", "--out", "out"], "RUN 'nonsuch': no such run in out; the latest are 2"),
        (["--out", "nowhere"], "nowhere: there is no harvest here"),
        (["--out", "out", "-o", "nowhere/x.html"], "-o nowhere/x.html: there is no directory nowhere"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], said: str, harvested: Path) -> None:
    done = run("report", *arguments, cwd=harvested)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_rare_label_is_as_high_as_its_name() -> None:
    places = _bands({"0": 9000, "1": 1, "2": 999})
    assert places["1"][1] * 342 > 20, "pixels"
    assert sum(high for _, high in places.values()) == pytest.approx(1)
    assert [at for at, _ in places.values()] == sorted(at for at, _ in places.values())


def test_shipped_profiles_say_what_their_labels_mean() -> None:
    for name in ("ondrejov", "demo"):
        labels = load_profile(name).settings["labels"]
        assert labels["names"]["0"] == "emission"
        assert "0" in labels["emission"]


def test_books_of_no_harvest_are_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no harvest here"):
        read_run_record(DirectoryStore(tmp_path))


async def test_one_cause_is_one_group_and_the_advice_agrees_with_itself(tmp_path: Path) -> None:
    """A 404 whose text has a number, a time or the spectrum's name in it is one message, not one for each spectrum."""
    await harvest_demo(tmp_path / "out", 6, plan_faults(n1="http_404", n2="http_404", n3="http_404", n4="empty"))
    with closing(sqlite3.connect(tmp_path / "out" / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        rows = ledger.execute("SELECT did FROM spectrum WHERE kind = 'not_found'").fetchall()
        for number, (did,) in enumerate(rows):
            detail = f"HTTP 404: no dataset {number + 1700}00 at 12:3{number}:07"
            ledger.execute("UPDATE entry SET detail = ? WHERE did = ?", (detail, did))
    _, seen = about(tmp_path / "out")
    assert "3 HTTP 404: no dataset … at 12:…:07" in seen.words
    assert "Cause: the spectrum itself. Another run is not likely to help. What to do: remove it from the catalog" in (
        seen.words
    )
    assert "Another run may download them. What to do: run again" in seen.words


@pytest.mark.parametrize("kind", list(FailureKind))
def test_no_advice_says_to_run_again_where_that_is_said_not_to_help(kind: FailureKind) -> None:
    assert is_worth_another_run(kind) or not re.search(r"\brun again\b|--only-failed", kind.advice)


async def test_the_picture_of_all_spectra_says_how_many_it_draws(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 8)
    _, seen = about(tmp_path / "out")
    assert "8 of 8 stored spectra are drawn, a strip for each." in seen.words
    assert "0: 2 spectra" in seen.words, "a label and a number that do not read as one"
    _, seen = about(tmp_path / "out", most=4)
    drawn = re.search(r"(\d) of 8 stored spectra are drawn \((\d) are not in the sample", seen.words)
    assert drawn is not None
    assert int(drawn[1]) + int(drawn[2]) == 8


async def test_numbers_have_one_thousands_separator(tmp_path: Path) -> None:
    await harvest_demo(tmp_path / "out", 3, plan_faults(n1="html"))
    _, seen = about(tmp_path / "out")
    assert not re.search(r"\d,\d\d\d\b", seen.words)
    assert not re.search(r"\b\d+, \d+\b(?! spectr)", seen.words), "which reads as a decimal"


def test_two_labels_of_one_spectrum_are_a_doubt_on_the_page(tmp_path: Path) -> None:
    first, *rest = listed_dids(3)
    catalog = write_catalog(tmp_path / "labels.csv", [first, *rest])
    with catalog.open("a") as file:
        file.write(f"{first},2\n")
    harvester.harvest_sync(catalog, out=tmp_path / "out", archive="demo", rate=0)
    data, seen = about(tmp_path / "out")
    assert "1 with two labels in the catalog" in seen.words
    assert data.labels.as_json()["conflicting"] == [
        {"ids": (first,), "labels": ("0", "2"), "why": "the catalog lists it twice; the first label is used"}
    ]


async def test_a_report_that_this_installation_cannot_draw_any_more_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the program was updated during a night: what was not loaded yet may not fit to what was."""
    monkeypatch.setitem(sys.modules, "harvester.report.page", None)
    result = (await harvest_demo(tmp_path / "out", 3)).report
    assert result.stats.exit_code == 0
    assert [warning.partition(": ")[0] for warning in result.warnings] == ["report"]
    assert (result.folder / "summary.json").exists()
