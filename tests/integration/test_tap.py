"""TAP: the list of an archive in pages, whatever becomes of them; and the demo's own service, with pyvo as witness."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import pyvo
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from harvester.config.profiles import load_profile
from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.demo.adql import AdqlError, Row, parse
from harvester.demo.observations import observe
from harvester.demo.ssap import answer_query
from harvester.demo.tap import DemoCatalog, answer_tap
from harvester.demo.vosi import COLUMNS_OF
from harvester.demo.votables import datalink_votable
from harvester.discovery import tap_pages
from harvester.discovery.client import VoClient
from harvester.discovery.discover import discover, list_spectra
from harvester.discovery.ssap import list_at_once
from harvester.discovery.tap_service import base_of, is_tap
from harvester.errors import ArchiveError
from harvester.model.band import Band
from harvester.model.limits import Limits
from harvester.vo.adql import conditions, is_table_name, literal, select
from harvester.vo.constraints import Constraints
from harvester.vo.descriptors import Findings
from harvester.vo.listing import ListingSummary
from harvester.vo.votable_model import SpectraTable, VotableField, VotableTable
from tests.integration.test_discover_command import Rows, command, fault_of, in_a_thread, rows_of, server

COUNT = 400  # of several stars, and of more nights than one
DIDS = list(listed_dids(COUNT))
QUICK = Limits(rate=0, first_wait=0.001, max_wait=0.002)
Answer = Callable[[dict[str, str], bytes], web.Response]


@pytest.fixture(scope="module")
def archive() -> Iterator[RunningArchive]:
    with in_a_thread(lambda: serve(DemoArchive(count=COUNT))) as running:
        yield running


def spoiled(answer: Answer) -> Callable[[web.Request], web.Response]:
    """The demo archive, with ``answer`` between its TAP and the wire: it gets query and response."""

    def handle(request: web.Request) -> web.Response:
        base = f"http://{request.host}"
        if request.path.endswith("dlmeta"):
            return web.Response(body=datalink_votable(base, [request.query["ID"]], lambda did: True))
        if request.path != "/tap/sync":
            return web.Response(body=b"".join(answer_query(request.query.items(), DIDS, base)))
        shown = b"".join(answer_tap(request.query.items(), DemoCatalog(DIDS, sorted(DIDS), base)))
        return answer(dict(request.query), shown)

    return handle


def is_page(query: dict[str, str]) -> bool:
    return "ORDER BY" in query["QUERY"] or re.match(r"SELECT TOP \d\d+ ", query["QUERY"]) is not None


def whole(query: dict[str, str], shown: bytes) -> web.Response:
    return web.Response(body=shown)


async def listed(
    answer: Answer, constraints: Constraints | None = None, most: int | None = None
) -> tuple[ListingSummary, Rows]:
    """What is listed of that archive by its SSAP address."""
    wanted, sink = constraints or Constraints(), Rows()
    async with server(spoiled(answer)) as url, VoClient(QUICK, None) as asker:
        findings = await discover(asker, url, Constraints())
        assert findings.source
        return await list_spectra(asker, findings, wanted, sink, most), sink


def test_from_a_tap_address_to_a_profile_and_the_list(archive: RunningArchive) -> None:
    found = command(f"{archive.tap}/sync", "-o", "mine.toml", "--catalog", "mine.csv")
    assert found.exit_code == 0, (found.output, found.exception)
    assert f"list        in pages, from the table ccd700.data of TAP, {archive.tap}" in found.output
    assert f"{COUNT} spectra ({2 * COUNT} rows)" in found.output
    profile = load_profile("mine.toml")
    assert (profile.mode, profile.endpoint) == ("soda", archive.dlget)
    assert (profile.tap, profile.table, profile.ssap) == (archive.tap, "ccd700.data", "")
    assert [row["id"] for row in rows_of("mine.csv")] == sorted(DIDS)


def test_obscore_leads_by_datalink_to_the_same_service(archive: RunningArchive) -> None:
    found = command(archive.tap, "--table", "ivoa.ObsCore", "-o", "obs.toml", "--catalog", "obs.csv")
    assert found.exit_code == 0, (found.output, found.exception)
    assert load_profile("obs.toml").endpoint == archive.dlget
    assert [row["id"] for row in rows_of("obs.csv")] == sorted(DIDS)
    row, observation = rows_of("obs.csv")[0], observe(min(DIDS))
    assert (row["object"], float(row["ra"])) == (observation.star.name, observation.star.ra)
    assert row["size"] == "20480", "ObsCore counts in kilobytes"


def test_a_table_that_is_not_there_is_reported_with_those_that_are(archive: RunningArchive) -> None:
    fault = fault_of(command(archive.tap, "--table", "ccd700.raw"))
    assert "no table ccd700.raw of spectra; those that it has: ccd700.data, ivoa.obscore" in str(fault)


def test_both_services_list_the_same(archive: RunningArchive) -> None:
    assert command(archive.ssap, "--catalog", "tap.csv").exit_code == 0
    assert "/tap/sync" in archive.log.by_path
    by_ssap = Rows()

    async def at_once() -> None:
        async with VoClient(QUICK, None) as asker:
            findings = Findings("soda", archive.dlget, id_column="ssa_pubDID", ssap=archive.ssap)
            await list_at_once(asker, findings, Constraints(), by_ssap, None)

    asyncio.run(at_once())
    assert rows_of("tap.csv") == sorted(by_ssap.rows, key=lambda row: row["id"])


@pytest.mark.parametrize("size", [3, 7, 800, 801])
async def test_pages_of_any_size_tear_no_spectrum_apart(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", size)
    shown, sink = await listed(whole)
    assert (shown.spectra, shown.rows, shown.remark) == (COUNT, 2 * COUNT, "")
    assert [row["id"] for row in sink.rows] == sorted(DIDS)
    assert {row["format"] for row in sink.rows} == {"image/fits"}


async def listed_by_tap_alone(answer: Answer) -> tuple[ListingSummary, Rows]:
    sink = Rows()
    async with server(spoiled(answer)) as url, VoClient(QUICK, None) as asker:
        findings = await discover(asker, url.replace("/ssap", "/tap"), Constraints())
        return await list_spectra(asker, findings, Constraints(), sink), sink


async def test_a_page_must_hold_more_than_one_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 2)
    with pytest.raises(ArchiveError, match="do not continue after"):
        await listed_by_tap_alone(whole)


def refusing(query: dict[str, str], shown: bytes) -> web.Response:
    return web.Response(status=503, text="come again")


def cut(query: dict[str, str], shown: bytes) -> web.Response:
    return web.Response(body=shown[: len(shown) * 2 // 3])


def failing_behind(query: dict[str, str], shown: bytes) -> web.Response:
    end = b"</TABLE></RESOURCE>"
    error = b'</TABLE><INFO name="QUERY_STATUS" value="ERROR">lost the database</INFO></RESOURCE>'
    return web.Response(body=shown.replace(end, error))


@pytest.mark.parametrize("fault", [refusing, cut, failing_behind])
async def test_a_page_that_fails_is_requested_again_from_where_it_was(
    fault: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    number = 0

    def sometimes(query: dict[str, str], shown: bytes) -> web.Response:
        nonlocal number
        number += is_page(query)
        return fault(query, shown) if is_page(query) and number % 3 == 2 else whole(query, shown)

    shown, sink = await listed(sometimes)
    assert [row["id"] for row in sink.rows] == sorted(DIDS)
    assert (shown.rows, shown.remark) == (2 * COUNT, "")


def asking_to_wait(seconds: int) -> Answer:
    """The second page is only to be had after ``seconds``."""
    pages_asked = 0

    def answer(query: dict[str, str], shown: bytes) -> web.Response:
        nonlocal pages_asked
        pages_asked += is_page(query)
        if is_page(query) and pages_asked == 2:
            return web.Response(status=503, headers={"Retry-After": str(seconds)}, text="backup")
        return whole(query, shown)

    return answer


async def test_a_wait_of_hours_is_not_waited_but_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    with pytest.raises(ArchiveError, match="HTTP 503: backup; it wants to be left alone for 360 minutes"):
        await listed_by_tap_alone(asking_to_wait(21_600))


def test_a_shorter_wait_is_waited_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    with in_a_thread(lambda: server(spoiled(asking_to_wait(1)))) as url:
        found = command(url.replace("/ssap", "/tap"), "--catalog", "all.csv")
    assert len(rows_of("all.csv")) == COUNT
    assert found.stderr.startswith("  waiting ")
    assert "HTTP 503: backup" in found.stderr


async def test_rows_that_came_before_a_fault_are_not_requested_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def once(query: dict[str, str], shown: bytes) -> web.Response:
        asked.append(query["QUERY"])
        return cut(query, shown) if is_page(query) and "> '" not in query["QUERY"] else whole(query, shown)

    await listed(once)
    assert len([query for query in asked if " > 'ivo://" in query]) == 1


async def test_a_service_that_insists_on_binary_is_read_all_the_same() -> None:
    def stubborn(request: web.Request) -> web.Response:
        if request.path.endswith("sync"):
            asked = dict(request.query) | {"RESPONSEFORMAT": "votable"}
            shown = answer_tap(asked.items(), DemoCatalog(DIDS, sorted(DIDS), "http://x.example"))
            return web.Response(body=b"".join(shown))
        return spoiled(whole)(request)

    by_text, sink = (await listed(whole))[1], Rows()
    async with server(stubborn) as url, VoClient(QUICK, None) as asker:
        findings = await discover(asker, url, Constraints())
        assert findings.source
        await list_spectra(asker, findings, Constraints(), sink)
    assert [row["id"] for row in sink.rows] == sorted(DIDS)
    assert [row["time"] for row in sink.rows] == [row["time"] for row in by_text.rows]
    assert sink.rows[0].keys() == by_text.rows[0].keys()


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_service_that_gives_less_than_a_page_is_requested_the_rest(says_so: bool) -> None:
    def limited(query: dict[str, str], shown: bytes) -> web.Response:
        if not is_page(query):
            return whole(query, shown)
        rows = shown.split(b"</TR>")
        body = b"</TR>".join(rows[:51]) + b"</TR>" + rows[-1] if len(rows) > 52 else shown
        over = b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>'
        return web.Response(body=body.replace(b"</TABLE></RESOURCE>", over) if says_so and body != shown else body)

    shown, sink = await listed(limited)
    assert [row["id"] for row in sink.rows] == sorted(DIDS)
    assert shown.remark == ""


def counting_more(query: dict[str, str], shown: bytes) -> web.Response:
    return web.Response(body=shown.replace(b"<TD>800</TD>", b"<TD>1801</TD>"))


async def test_fewer_rows_than_are_counted_are_no_list() -> None:
    with pytest.raises(ArchiveError, match=r"it did not give 1 001 of the 1 801 rows that it counts: list it again"):
        await listed_by_tap_alone(counting_more)
    shown, sink = await listed(counting_more)
    assert (shown.spectra, len(sink.rows)) == (COUNT, COUNT)
    assert shown.remark.startswith("by SSAP, since TAP failed (")


async def test_an_archive_that_loses_rows_meanwhile_is_counted_again() -> None:
    counts: list[str] = []

    def shrinking(query: dict[str, str], shown: bytes) -> web.Response:
        if "COUNT(*)" in query["QUERY"]:
            counts.append(query["QUERY"])
        return counting_more(query, shown) if len(counts) == 1 else whole(query, shown)

    shown, _ = await listed(shrinking)
    assert (shown.rows, shown.remark, len(counts)) == (2 * COUNT, "", 2)


@pytest.mark.parametrize("count", ["9" * 5000, "-1", "many"])
async def test_a_count_that_is_none_is_reported(count: str) -> None:
    def boasting(query: dict[str, str], shown: bytes) -> web.Response:
        return web.Response(body=shown.replace(b"<TD>800</TD>", f"<TD>{count}</TD>".encode()))

    with pytest.raises(ArchiveError, match=f"its response to a request for the number of rows is '{count[:20]}"):
        await listed_by_tap_alone(boasting)


@pytest.mark.parametrize("seed", range(5))
async def test_a_service_that_does_not_put_rows_in_order_lists_nothing_by_pages(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    disordered, chance = sorted(DIDS), Random(seed)
    for _ in range(COUNT // 16):
        disordered.insert(chance.randrange(COUNT), disordered.pop(chance.randrange(COUNT)))

    def unsorted(query: dict[str, str], shown: bytes) -> web.Response:
        catalog = DemoCatalog(DIDS, disordered, "http://x.example")
        return web.Response(body=b"".join(answer_tap(query.items(), catalog)) if is_page(query) else shown)

    shown, sink = await listed(unsorted)
    assert shown.remark.startswith("by SSAP, since TAP failed (")
    assert [row["id"] for row in sink.rows] == DIDS
    shown, sink = await listed_by_tap_alone(unsorted)
    assert sorted(row["id"] for row in sink.rows) == sorted(DIDS)
    assert shown.remark.startswith("in ranges of ")


async def test_a_page_goes_on_behind_what_the_service_said_blanks_and_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    asked: list[str] = []

    def blank(query: dict[str, str], shown: bytes) -> web.Response:
        asked.append(query["QUERY"])
        return web.Response(body=shown.replace(b"<TD>ivo:", b"<TD>  ivo:"))

    with pytest.raises(ArchiveError):  # this one does not understand them itself
        await listed_by_tap_alone(blank)
    assert any("> '  ivo://" in query for query in asked)


async def test_pages_that_break_off_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    number = 0

    def endless(query: dict[str, str], shown: bytes) -> web.Response:
        nonlocal number
        number += 1
        return (
            cut(query, shown.replace(b"ivo://", f"ivo://{number:06}".encode()))
            if is_page(query)
            else whole(query, shown)
        )

    with pytest.raises(ArchiveError, match="do not continue after 'ivo://"):
        await listed_by_tap_alone(endless)
    assert number < 100


async def test_a_service_that_heeds_no_condition_is_not_requested_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_pages, "PAGE", 100)
    first: dict[str, bytes] = {}

    def forgetful(query: dict[str, str], shown: bytes) -> web.Response:
        return whole(query, first.setdefault("page", shown) if is_page(query) else shown)

    shown, _ = await listed(forgetful)
    assert shown.spectra == COUNT
    assert shown.remark.startswith("by SSAP, since TAP failed (")
    assert "its pages do not continue after 'ivo://" in shown.remark


async def test_where_tap_fails_for_good_ssap_lists_and_it_is_said() -> None:
    def broken(query: dict[str, str], shown: bytes) -> web.Response:
        return refusing(query, shown) if is_page(query) else whole(query, shown)

    shown, sink = await listed(broken)
    assert [row["id"] for row in sink.rows] == DIDS
    assert "by SSAP, since TAP failed" in shown.remark
    assert "HTTP 503: come again" in shown.remark


async def test_what_a_service_says_of_the_question_is_its_last_word() -> None:
    pages_asked = 0

    def broken(query: dict[str, str], shown: bytes) -> web.Response:
        nonlocal pages_asked
        pages_asked += is_page(query)
        info = '<INFO name="QUERY_STATUS" value="ERROR">no such function: LOWER</INFO>'
        words = f'<VOTABLE><RESOURCE type="results">{info}</RESOURCE></VOTABLE>'
        return web.Response(text=words) if is_page(query) else whole(query, shown)

    with pytest.raises(ArchiveError, match="the service says: no such function"):
        await listed_by_tap_alone(broken)
    assert pages_asked == 1


STAR = observe(DIDS[12]).star


@pytest.mark.parametrize(
    "wanted",
    [
        Constraints(target=STAR.name),
        Constraints(target="no' OR '1'='1"),
        Constraints(target="%"),
        Constraints(position=(STAR.ra, STAR.dec), size=0.2),
        Constraints(band=Band(6.76e-7, 6.8e-7)),
        Constraints(time=("2012-01-01", "")),
        Constraints(time=("2004-01-01", "2010-06-30"), target="hd"),
    ],
)
async def test_constraints_go_into_the_question_and_hold_for_its_answer(wanted: Constraints) -> None:
    _, sink = await listed(whole, wanted)
    everything, _ = await listed(whole)
    expected = []
    for did in sorted(DIDS):
        it = observe(did)
        low, high = (limit * 1e-10 for limit in it.wave_limits)
        row = {"object": it.star.name, "ra": str(it.star.ra), "dec": str(it.star.dec), "time": str(it.mid_time)}
        row |= {"wave_min": str(low), "wave_max": str(high)}
        exact = Constraints(wanted.position, wanted.size, wanted.target, True, wanted.band, wanted.time)
        if exact.admit(row):
            expected.append(did)
    assert [row["id"] for row in sink.rows] == expected
    assert len(expected) < everything.spectra


async def test_a_most_is_kept() -> None:
    shown, sink = await listed(whole, most=5)
    assert [row["id"] for row in sink.rows] == sorted(DIDS)[:5]
    assert shown.more


def source_of(name: str, id_column: str) -> SpectraTable:
    columns = [
        VotableField(column.lower(), "", kind, unit, ucd, utype)
        for column, kind, _, unit, ucd, utype in COLUMNS_OF[name]
    ]
    return SpectraTable("http://x.example/tap", name, VotableTable(tuple(columns)), id_column)


DATA, OBSCORE = source_of("ccd700.data", "ssa_pubdid"), source_of("ivoa.obscore", "obs_publisher_did")


def parsed(adql: str) -> Callable[[Row], bool]:
    query = parse(adql, lambda table: frozenset({"a"}), lambda table: [])
    return query.matches


@given(st.text(), st.text())
def test_no_text_ends_its_own_quotation(text: str, other: str) -> None:
    matches = parsed(f"SELECT a FROM t WHERE a = {literal(text)}")
    assert matches({"a": text})
    assert matches({"a": other}) == (other == text)


@given(st.text(), st.sampled_from([DATA, OBSCORE]))
def test_no_name_of_an_object_writes_the_question(name: str, source: SpectraTable) -> None:
    fields = source.columns.fields
    adql = select(source, fields, conditions(source, Constraints(target=name)), 1)
    query = parse(adql, lambda table: frozenset(field.name for field in fields), lambda table: [])
    assert len(query.tests) == len(name.split()) + (source is OBSCORE)
    named = dict.fromkeys((field.name for field in fields), "spectrum") | {"ssa_targname": name, "target_name": name}
    assert query.matches(named)


def test_what_a_table_lacks_cannot_be_narrowed() -> None:
    bare = SpectraTable(
        "http://x.example/tap", "a.b", VotableTable((VotableField("ssa_pubdid"), VotableField("accref"))), "ssa_pubdid"
    )
    for wanted in (Constraints(target="x"), Constraints(band=Band(1e-7, 2e-7)), Constraints(position=(1, 2))):
        with pytest.raises(ArchiveError, match=r"has no column that --\w+ could narrow"):
            conditions(bare, wanted)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://x/tap", "http://x/tap"),
        ("http://x/tap/", "http://x/tap"),
        ("http://x/a/TAP/sync?REQUEST=doQuery", "http://x/a/TAP"),
        ("http://x/tap_obs/capabilities", "http://x/tap_obs"),
    ],
)
def test_a_tap_address_is_known_by_its_name(url: str, base: str) -> None:
    assert is_tap(url)
    assert base_of(url) == base


@pytest.mark.parametrize(
    "url", ["http://x/ssap.xml", "http://x/datapath?", "http://tap.example/ssap", "http://x/staple"]
)
def test_other_addresses_are_not(url: str) -> None:
    assert not is_tap(url)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("a.b", True),
        ('"a b".c', True),
        ("a.b WHERE 1=1", False),
        ("a; DROP TABLE b", False),
        ("", False),
        ('"a"b', False),
    ],
)
def test_a_name_of_a_table_is_nothing_but_a_name(name: str, right: bool) -> None:
    assert is_table_name(name) is right


# --- the demo's service


def test_pyvo_finds_all_that_there_is(archive: RunningArchive) -> None:
    service = pyvo.dal.TAPService(archive.tap)
    assert set(service.tables.keys()) == set(COLUMNS_OF)
    assert service.maxrec == 20_000
    assert service.hardlimit == 1_000_000
    rows = service.search("SELECT ssa_pubdid, mime, accsize, ssa_dateobs FROM ccd700.data ORDER BY ssa_pubdid")
    assert [str(did) for did in rows["ssa_pubDID"]] == [did for did in sorted(DIDS) for _ in range(2)]
    assert rows["ssa_dateObs"][0] == observe(min(DIDS)).mid_time
    counted = service.search("SELECT COUNT(*) AS total FROM ivoa.obscore WHERE dataproduct_type = 'spectrum'")
    assert counted["total"][0] == COUNT


def test_pyvo_reads_every_column_of_every_table_in_binary(archive: RunningArchive) -> None:
    service = pyvo.dal.TAPService(archive.tap)
    for table, columns in COLUMNS_OF.items():
        rows = service.search(f"SELECT * FROM {table}", maxrec=300)
        assert list(rows.fieldnames) == [name for name, *_ in columns]


def test_an_overflow_is_reported_behind_the_rows_and_the_top_is_none(archive: RunningArchive) -> None:
    service = pyvo.dal.TAPService(archive.tap)
    for adql, shown in (("SELECT mime FROM ccd700.data", True), ("SELECT TOP 7 mime FROM ccd700.data", False)):
        assert len(service.search(adql, maxrec=7)) == 7
        text = service.create_query(adql, maxrec=7).execute_raw()
        assert (b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>' in text) is shown


def test_pyvo_is_informed_of_errors(archive: RunningArchive) -> None:
    service = pyvo.dal.TAPService(archive.tap)
    with pytest.raises(pyvo.dal.DALQueryError, match="No such table known: nothing"):
        service.search("SELECT a FROM nothing")


@pytest.mark.parametrize(
    "adql",
    [
        "",
        "DROP TABLE t",
        "SELECT a",
        "SELECT a FROM t; DROP TABLE t",
        "SELECT a FROM t WHERE a = 'x' OR a = 'y'",
        "SELECT a FROM t WHERE a = 'x",
        "SELECT a FROM t WHERE NOT a = 'x'",
        "SELECT a AS b FROM t",
        "SELECT a FROM t JOIN u",
        "SELECT a FROM t ORDER BY a DESC",
        "SELECT a FROM t WHERE b = 'x'",
        "SELECT b FROM t",
        "SELECT a FROM t WHERE 1 = CONTAINS(a, CIRCLE('FK4', 1, 2, 3))",
        "SELECT a FROM t WHERE a LIKE '%!%' ESCAPE '!'",
        "SELECT MAX(a) FROM t",
    ],
)
def test_what_the_demo_does_not_understand_it_refuses(adql: str) -> None:
    with pytest.raises(AdqlError):
        parsed(adql)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"LANG": "SQL"}, "query language SQL"),
        ({"REQUEST": "getData"}, "only supports REQUEST=doQuery"),
        ({"RESPONSEFORMAT": "xlsx"}, "Cannot serialize in 'xlsx'"),
        ({"MAXREC": "many"}, "'many' is not a valid literal for maxrec"),
        ({"QUERY": ""}, "'query' missing"),
        ({"QUERY": "SELECT mime FROM ccd700.data ORDER BY mime"}, "order of mime"),
    ],
)
def test_bad_parameters_are_reported_in_a_votable(parameters: dict[str, str], words: str) -> None:
    good = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": "SELECT mime FROM ccd700.data"}
    [document] = answer_tap((good | parameters).items(), DemoCatalog(DIDS, DIDS, "http://x.example"))
    assert b'<INFO name="QUERY_STATUS" value="ERROR">' in document
    assert words in document.decode().replace("&#x27;", "'")


def test_a_list_that_ends_in_the_middle_leaves_no_file() -> None:
    def broken(query: dict[str, str], shown: bytes) -> web.Response:
        return web.Response(status=404, text="gone") if is_page(query) else whole(query, shown)

    with in_a_thread(lambda: server(spoiled(broken))) as url:
        fault = fault_of(command(url.replace("/ssap", "/tap"), "--catalog", "all.csv"))
    assert "HTTP 404: gone" in str(fault)
    assert not list(Path().iterdir())
