"""``discover`` on services that answer as genuine ones do: other identities, habits, dialects and hosts."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harvester.config.profiles import load_profile
from harvester.demo import listed_dids
from harvester.demo.fits import original_fits
from harvester.demo.observations import observe
from harvester.discovery.access_mode import TableChoice
from harvester.discovery.client import VoClient
from harvester.discovery.discover import discover, list_spectra
from harvester.discovery.ssap import IncompleteListError
from harvester.discovery.tiles import SkyTile, sky_tiles
from harvester.errors import ArchiveError
from harvester.model.limits import Limits
from harvester.vo.constraints import Constraints, mjd
from harvester.vo.listing import ListingSummary
from tests.integration.test_discover_command import Rows, command, fault_of, in_a_thread, server, status
from tests.support.tap_stand_in import TapStandIn, obscore_row

QUICK = Limits(rate=0, first_wait=0.001, max_wait=0.002)
SPECTRUM = original_fits(observe(next(listed_dids(1))))
Handler = Callable[[web.Request], web.Response]
USUAL = (("did", "ssa:Curation.PublisherDID"), ("url", "ssa:Access.Reference"), ("format", "ssa:Access.Format"))


def answer(
    rows: Sequence[Sequence[str]],
    columns: Sequence[tuple[str, str]] = USUAL,
    before: str = "",
    behind: str = "",
    services: str = "",
) -> str:
    """An SSAP answer; cells are XML."""
    fields = "".join(f'<FIELD name="{name}" datatype="char" arraysize="*" utype="{role}"/>' for name, role in columns)
    cells = "".join(f"<TR>{''.join(f'<TD>{cell}</TD>' for cell in row)}</TR>" for row in rows)
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>"
    return f'<VOTABLE><RESOURCE type="results">{before}{table}{behind}</RESOURCE>{services}</VOTABLE>'


def serving(text: str | Callable[[web.Request], str], **files: bytes) -> Handler:
    """A service with one list, and files below /files/."""

    def handle(request: web.Request) -> web.Response:
        if request.path.startswith("/files/"):
            return web.Response(body=files.get(request.path.rpartition("/")[2].partition(".")[0], SPECTRUM))
        if request.path != "/ssap":
            return web.Response(status=404)
        said = text if isinstance(text, str) else text(request)
        body = said.replace("BASE", f"http://127.0.0.1:{request.url.port}")
        return web.Response(text=body.replace("ALT", f"http://localhost:{request.url.port}"), content_type="text/xml")

    return handle


async def listed(
    handler: Handler, path: str = "/ssap", choice: TableChoice | None = None, **keep: Any
) -> tuple[ListingSummary, Rows]:
    sink = Rows()
    async with server(handler) as url, VoClient(QUICK, None) as client:
        address = url.removesuffix("/ssap") + path
        findings = await discover(
            client, address, Constraints(), (choice.table or None) if choice else None, columns=choice
        )
        return await list_spectra(client, findings, Constraints(), sink, **keep), sink


def ids(sink: Rows) -> list[str]:
    return [re.sub(r"^http://127.0.0.1:\d+", "BASE", row["id"]) for row in sink.rows]


FITS = "application/fits"


async def test_rows_without_a_did_are_identified_by_their_address() -> None:
    rows = [[did, f"BASE/files/{number}.fits", FITS] for number, did in enumerate(["", "BE:1", "http://x/1", "7"])]
    summary, sink = await listed(serving(answer(rows)))
    assert ids(sink) == [f"BASE/files/{number}.fits" for number in range(4)]
    assert not summary.has_plain_ids


async def test_every_fits_row_is_listed_or_counted() -> None:
    rows = [["ivo://a/o1", f"BASE/files/o1_{order}.fits", "image/fits"] for order in range(3)]
    rows += [["ivo://a/o1", "BASE/files/o1.vot", "text/xml"], ["ivo://a/o1", "BASE/o1.jpg", "image/jpeg"]]
    rows += [["ivo://a/o2", "BASE/files/o2.vot", "text/xml"], ["ivo://a/o2", "BASE/files/o2.fits", "Application/FITS"]]
    summary, sink = await listed(serving(answer(rows)))
    assert ids(sink) == [*(f"ivo://a/o1#o1_{order}.fits" for order in range(3)), "ivo://a/o2"]
    assert sink.rows[-1]["access_url"].endswith("o2.fits"), "the best format, wherever its row stands"
    assert summary.shared_identifiers == 1
    assert (summary.rows, summary.spectra, summary.other_formats, dict(summary.unreadable)) == (
        7,
        4,
        2,
        {"image/jpeg": 1},
    )


async def test_the_table_of_results_counts_and_addresses_are_read_as_they_are_meant() -> None:
    data = "<DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA>"
    first = f'<RESOURCE type="meta"><TABLE><FIELD name="key"/>{data}</TABLE></RESOURCE>'
    rows = [["ivo://a/1", "files/1.fits", FITS], ["ivo://a/2", '"BASE/files/2.fits"', FITS]]
    rows += [["ivo://a/3", "BASE/files/3.fits?a=1&amp;amp;b=2", FITS]]
    text = answer(rows).replace("<VOTABLE>", f"\n \n<VOTABLE>{first}")
    _, sink = await listed(serving(text))
    assert [row["access_url"].partition("/files/")[2] for row in sink.rows] == ["1.fits", "2.fits", "3.fits?a=1&b=2"]


@pytest.mark.parametrize("code", [200, 400, 404])
async def test_a_position_that_is_demanded_is_the_whole_sky(code: int) -> None:
    def handle(request: web.Request) -> web.Response:
        if request.path == "/ssap" and "POS" not in request.query:
            refusal = f"<VOTABLE><RESOURCE>{status('ERROR', 'POS parameter is mandatory')}</RESOURCE></VOTABLE>"
            return web.Response(text=refusal, status=code)
        return serving(answer([["ivo://a/1", "BASE/files/1.fits", FITS]]))(request)

    _, sink = await listed(handle)
    assert ids(sink) == ["ivo://a/1"]


async def test_a_largest_size_is_tiled_and_every_tile_is_requested_once() -> None:
    asked: list[tuple[str, str]] = []
    stars = {"ivo://a/north": (10.0, 89.9), "ivo://a/south": (200.0, -60.0), "ivo://a/equator": (150.9, 0.1)}

    def handle(request: web.Request) -> web.Response:
        if request.path != "/ssap":
            return web.Response(status=404)
        size = float(request.query.get("SIZE", "nan"))
        if not size <= 60:
            words = "SIZE must not exceed 60 degrees" if "POS" in request.query else "POS is required"
            return web.Response(text=f"<VOTABLE><RESOURCE>{status('ERROR', words)}</RESOURCE></VOTABLE>")
        asked.append((request.query["POS"], request.query["SIZE"]))
        ra, dec = map(float, request.query["POS"].split(","))
        here = Constraints(position=(ra, dec), size=size)
        near = [did for did, (a, d) in stars.items() if here.admit({"ra": str(a), "dec": str(d)})]
        return serving(answer([[did, f"BASE/files/{did[-5:]}.fits", FITS] for did in near]))(request)

    summary, sink = await listed(handle)
    assert sorted(row["id"] for row in sink.rows) == sorted(stars)
    tiles = [(f"{ra!r},{dec!r}", repr(size)) for ra, dec, size in map(_circle, sky_tiles(60))]
    assert asked[-len(tiles) :] == tiles, "the circle around POS=0,0 is empty, so others are tried before"
    assert "circles of the sky" in summary.remark


def _circle(tile: SkyTile) -> tuple[float, float, float]:
    wanted = tile.constrain(Constraints())
    assert wanted.position
    return (*wanted.position, wanted.size)


async def test_a_position_that_cannot_be_had_names_the_options() -> None:
    def handle(request: web.Request) -> web.Response:
        return web.Response(text="<VOTABLE><RESOURCE>" + status("ERROR", "POS is required") + "</RESOURCE></VOTABLE>")

    with pytest.raises(ArchiveError, match="--pos 'RA DEC' and --size"):
        await listed(handle)


def dated(total: int, cap: int, says_so: bool = True, heeds_time: bool = True, gives_some: bool = True) -> Handler:
    """An archive of ``total`` spectra, one a day, that lists ``cap`` of them at most."""

    def text(request: web.Request) -> str:
        first, _, last = request.query.get("TIME", "/").partition("/") if heeds_time else ("", "", "")
        low, high = mjd(first) if first else 0.0, mjd(last) if last else 1e6
        days = [day for day in range(total) if low <= 55000 + day <= high]
        is_cut = len(days) > cap
        shown = days[: cap if gives_some or not is_cut else 0]
        rows = [[f"ivo://a/{day}", f"BASE/files/{day}.fits", FITS] for day in shown]
        return answer(rows, behind=status("OVERFLOW" if is_cut and says_so else "OK"))

    return serving(text)


@pytest.mark.parametrize("gives_some", [True, False])
async def test_a_list_that_is_cut_is_put_together_from_parts(gives_some: bool) -> None:
    summary, sink = await listed(dated(75, 10, gives_some=gives_some))
    assert sorted(int(row["id"].rpartition("/")[2]) for row in sink.rows) == list(range(75))
    assert "parts by time" in summary.remark


async def test_a_silent_limit_is_found_by_dividing_the_list() -> None:
    summary, _ = await listed(dated(1500, 1000, says_so=False))
    assert (summary.spectra, summary.incomplete) == (1500, "")


async def test_a_round_number_that_is_whole_costs_two_requests_and_is_whole() -> None:
    summary, _ = await listed(dated(100, 1000, says_so=False))
    assert (summary.spectra, summary.incomplete) == (100, "")


async def test_a_list_that_cannot_be_divided_is_not_written_unless_forced() -> None:
    limited = dated(1500, 1000, says_so=False, heeds_time=False)
    with pytest.raises(IncompleteListError, match=r"may be cut: it lists 1 000 rows .* whatever MAXREC says"):
        await listed(limited)
    summary, sink = await listed(limited, keep_incomplete=True)
    assert len(sink.rows) == 1000
    assert "may be cut" in summary.incomplete


async def test_a_maxrec_refused_by_http_400_is_lowered() -> None:
    def handle(request: web.Request) -> web.Response:
        if request.path == "/ssap" and int(request.query["MAXREC"]) > 5000:
            words = status("ERROR", "The maximum value for MAXREC is 5,000")
            return web.Response(status=400, text=f"<VOTABLE><RESOURCE>{words}</RESOURCE></VOTABLE>")
        return serving(answer([["ivo://a/1", "BASE/files/1.fits", FITS]]))(request)

    assert (await listed(handle))[0].spectra == 1


@pytest.mark.parametrize("header", [{}, {"Content-Encoding": "gzip"}])
async def test_a_packed_answer_is_unpacked(header: dict[str, str]) -> None:
    text = answer([["ivo://a/1", "http://x.example/1.fits", FITS]])

    def handle(request: web.Request) -> web.Response:
        if request.path != "/ssap":
            return web.Response(status=404)
        return web.Response(body=gzip.compress(text.encode()), headers=header)

    assert (await listed(handle))[0].spectra == 1


@pytest.mark.parametrize(
    "info",
    [
        '<INFO name="QUERY_STATUS">ERROR</INFO><INFO name="Error" value="Wrong POS"/>',
        '<INFO name="QUERY_STATUS" value="ERROR: Wrong POS"/>',
        '<INFO name="query_status" value="error">Wrong POS</INFO>',
    ],
)
async def test_an_error_is_heard_wherever_it_is(info: str) -> None:
    with pytest.raises(ArchiveError, match="Wrong POS"):
        await listed(serving(f"<VOTABLE><RESOURCE>{info}</RESOURCE></VOTABLE>"))


async def test_binary_is_never_shown() -> None:
    def handle(request: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG\r\n\x1a\n" + bytes(range(256)))

    with pytest.raises(ArchiveError, match="a PNG image"):
        await listed(handle)


def test_hosts_of_all_files_go_into_the_profile_and_a_moved_service_is_reported() -> None:
    rows = [
        [f"ivo://a/{number}", f"{'BASE' if number % 2 else 'ALT'}/files/{number}.fits", FITS] for number in range(6)
    ]

    def handle(request: web.Request) -> web.Response:
        if request.path == "/old/ssap":
            there = f"http://localhost:{request.url.port}/ssap?{request.query_string}"
            return web.Response(status=302, headers={"Location": there})
        return serving(answer(rows))(request)

    with in_a_thread(lambda: server(handle)) as url:
        found = command(url.replace("/ssap", "/old/ssap"), "-o", "p.toml", "--catalog", "all.csv")
    assert found.exit_code == 0, (found.output, found.exception)
    profile = load_profile("p.toml")
    assert profile.all_hosts == {"127.0.0.1", "localhost"}
    assert re.fullmatch(r"http://localhost:\d+/ssap", profile.ssap)
    assert re.search(r"moved +http://127.0.0.1:\d+/old/ssap redirects to http://localhost:\d+/ssap", found.output)
    assert "3 of 3 downloaded spectra are valid" in found.output
    account = json.loads(Path("all.listing.json").read_text(encoding="utf-8"))
    assert (account["rows"], account["spectra"], account["hosts"]) == (6, 6, {"127.0.0.1": 3, "localhost": 3})


SODA = (
    '<RESOURCE type="meta" utype="adhoc:service"><PARAM name="standardID" value="ivo://ivoa.net/std/SODA#sync-1.0"/>'
    '<PARAM name="accessURL" value="BASE/files/cut"/><GROUP name="inputParams">'
    '<PARAM name="ID" value="{value}" ref="{ref}"/><PARAM name="BAND" value=""/></GROUP></RESOURCE>'
)


def test_a_sample_shows_that_files_have_no_card_with_their_name() -> None:
    rows = [[f"ivo://a/{number}", f"BASE/files/{number}.fits", FITS] for number in range(3)]
    text = answer(rows, services=SODA.format(value="", ref="did"))
    with in_a_thread(lambda: server(serving(text))) as url:
        found = command(url, "-o", "p.toml", "--catalog", "all.csv")
    assert found.exit_code == 0, (found.output, found.exception)
    profile = load_profile("p.toml")
    assert (profile.mode, profile.identity_card) == ("soda", "")
    assert "its files have no card DS_IDPUB" in found.output


@pytest.mark.parametrize("sends", ["--no-sample", ""])
def test_a_sample_is_only_fetched_if_wanted(sends: str) -> None:
    asked: list[str] = []

    def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return serving(answer([["ivo://a/1", "BASE/files/1.fits", FITS]]))(request)

    with in_a_thread(lambda: server(handle)) as url:
        assert command(url, "-o", "p.toml", *filter(None, [sends])).exit_code == 0
    assert ("/files/1.fits" in asked) is (sends == "")


def test_a_service_of_one_file_is_no_service_of_the_archive() -> None:
    rows = [[f"ivo://a/{number}", f"BASE/files/{number}.fits", FITS] for number in range(2)]
    text = answer(rows, services=SODA.format(value="store:1", ref=""))
    with in_a_thread(lambda: server(serving(text))) as url:
        assert command(url, "-o", "p.toml").exit_code == 0
    assert load_profile("p.toml").mode == "direct"


def test_a_list_without_a_readable_file_is_no_success() -> None:
    rows = [[f"ivo://a/{number}", f"BASE/files/{number}.pdf", "application/pdf"] for number in range(2)]
    with in_a_thread(lambda: server(serving(answer(rows)))) as url:
        fault = fault_of(command(url, "--catalog", "all.csv", "-o", "p.toml"))
    assert fault.exit_code == 5
    assert "2 rows of application/pdf left out" in str(fault)
    assert not list(Path().iterdir())


def test_private_addresses_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from harvester.discovery.collect import ListingCollector
    from harvester.vo.listing import ListingColumns
    from harvester.vo.votable_model import VotableField, VotableTable

    table = VotableTable((VotableField("did", utype="Curation.PublisherDID"), VotableField("accref")))
    with ListingCollector(by_did=False, columns=ListingColumns()) as collector:
        collector.begin(table, "http://archive.example/ssap", Constraints())
        collector.add(("ivo://a/1", "http://archive.example/1.fits"))
        collector.add(("ivo://a/2", "http://10.0.0.7/2.fits"))
        sink = Rows()
        summary = collector.write(sink)
    assert (summary.spectra, summary.private) == (1, 1)


# --- TAP


async def by_tap(
    stand_in: TapStandIn, path: str = "/tap", choice: TableChoice | None = None
) -> tuple[ListingSummary, Rows]:
    return await listed(stand_in.handler(path), path, choice)


NAMED = [obscore_row(number, f"ivo://a/{number:03}") for number in range(40)]


@pytest.mark.parametrize(
    "stand_in",
    [
        TapStandIn(NAMED, formats=["votable", "csv"]),
        TapStandIn(NAMED, formats=["application/x-votable+xml"]),
        TapStandIn(
            NAMED, refuse={r"IN\s*\(\s*SELECT": "subqueries are not supported", r"\bLOWER\b": "no function LOWER"}
        ),
        TapStandIn(NAMED, limit=3),
        TapStandIn(NAMED, slowest=2500),
        TapStandIn(NAMED, has_schema=False),
        TapStandIn(NAMED, has_schema=False, tables_document=True, refuse={r"TOP 1 \*": "not allowed"}),
        TapStandIn([[*row[:1], "SPECTRUM", *row[2:]] for row in NAMED]),
    ],
    ids=[
        "votable alone",
        "a media type",
        "no subqueries",
        "cut",
        "slow pages",
        "no schema",
        "tables alone",
        "upper case",
    ],
)
async def test_dialects_of_tap_are_spoken(stand_in: TapStandIn) -> None:
    summary, sink = await by_tap(stand_in)
    assert [row["id"] for row in sink.rows] == [f"ivo://a/{number:03}" for number in range(40)]
    assert set(sink.columns) >= {"object", "time", "format", "size", "access_url"}
    assert summary.rows == 40


async def test_a_tap_service_of_any_name_is_found() -> None:
    _, sink = await by_tap(TapStandIn(NAMED), "/argus")
    assert len(sink.rows) == 40


@pytest.mark.parametrize("did", [None, "ivo://a/all"])
async def test_missing_and_shared_dids_lose_no_row(did: str | None) -> None:
    summary, sink = await by_tap(TapStandIn([obscore_row(number, did) for number in range(25)]))
    assert (len(sink.rows), summary.rows) == (25, 25)
    assert len({row["id"] for row in sink.rows}) == 25


async def test_rows_without_a_did_follow_those_that_have_one() -> None:
    rows = [obscore_row(number, f"ivo://a/{number}" if number % 3 else None) for number in range(30)]
    summary, sink = await by_tap(TapStandIn(rows))
    assert (len(sink.rows), summary.rows) == (30, 30)


async def test_more_files_of_one_did_than_a_page_has_are_listed_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.discovery.tap_pages.PAGE", 10)
    summary, sink = await by_tap(TapStandIn([obscore_row(number, "ivo://a/all") for number in range(45)]))
    assert len(sink.rows) == 45
    assert "in the order of the addresses" in summary.remark


async def test_a_survey_table_is_listed_by_the_columns_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.discovery.tap_pages.PAGE", 10)
    columns = {
        "obsid": ("long", "", ""),
        "ra": ("double", "deg", ""),
        "dec": ("double", "deg", ""),
        "link": ("char", "", ""),
    }
    rows = [[number * 11, 10.0, 20.0, f"BASE/files/{number}.fits"] for number in range(25)]
    stand_in = TapStandIn(rows, "dr.catalogue", columns)
    choice = TableChoice("dr.catalogue", "obsid", "link")
    summary, sink = await by_tap(stand_in, choice=choice)
    assert [row["id"] for row in sink.rows] == [str(number * 11) for number in range(25)]
    assert not summary.has_plain_ids
    with pytest.raises(ArchiveError, match=r"has no column nothing .--url-column.; it has obsid, ra, dec, link"):
        await by_tap(stand_in, choice=TableChoice("dr.catalogue", "obsid", "nothing"))


async def test_a_service_without_geometry_is_narrowed_by_us() -> None:
    stand_in = TapStandIn(NAMED, refuse={"LOWER": "no function LOWER"})
    sink = Rows()
    async with server(stand_in.handler()) as url, VoClient(QUICK, None) as client:
        wanted = Constraints(target="star 7")
        findings = await discover(client, url.replace("/ssap", "/tap"), Constraints())
        await list_spectra(client, findings, wanted, sink)
    assert [row["object"] for row in sink.rows] == ["star 7", "star 17", "star 27", "star 37"]


def test_profiles_that_come_along_are_listed_with_what_is_unproven() -> None:
    found = command("--list")
    assert re.search(r"^ondrejov +Ondrejov .*, CCD700$", found.output, re.MULTILINE)
    assert re.search(r"^eso +ESO .*unproven", found.output, re.MULTILINE)


def test_a_profile_that_is_there_is_checked() -> None:
    rows = [[f"ivo://a/{number}", f"ALT/files/{number}.fits", FITS] for number in range(4)]
    with in_a_thread(lambda: server(serving(answer(rows)))) as url:
        text = f'name = "x"\ntitle = "X"\nmode = "direct"\nhosts = ["127.0.0.1"]\nidentity_card = ""\nssap = "{url}"\n'
        Path("p.toml").write_text(f"{text}step_tolerance = 0.0\n", encoding="utf-8")
        found = command("--check", "p.toml", "-o", "mended.toml")
        assert found.return_value == 3
        assert "set hosts = ('127.0.0.1', 'localhost')" in found.output
        both = text.replace('["127.0.0.1"]', '["127.0.0.1", "localhost"]')
        Path("p.toml").write_text(f"{both}step_tolerance = 0.0\n", encoding="utf-8")
        assert command("--check", "p.toml").return_value == 0
        assert command("--check", "mended.toml").return_value == 0
        assert "# 3 of 3 downloaded spectra are valid\n" in Path("mended.toml").read_text(encoding="utf-8")
        assert "already exists" in str(command("--check", "p.toml", "-o", "mended.toml").exception)


def test_each_request_is_shown_if_wanted() -> None:
    with in_a_thread(lambda: server(serving(answer([["ivo://a/1", "BASE/files/1.fits", FITS]])))) as url:
        found = command(url, "--verbose")
    assert f"  {url}?REQUEST=queryData&MAXREC=1\n" in found.stderr


async def test_a_list_that_mixes_files_and_links_is_fetched_by_links() -> None:
    links = "application/x-votable+xml;content=datalink"
    rows = [["ivo://a/1", "BASE/files/1.fits", FITS], ["ivo://a/2", "BASE/links/2", links]]
    summary, _ = await listed(serving(answer(rows)))
    assert summary.has_links


async def test_a_first_row_without_an_address_does_not_hide_the_others() -> None:
    def text(request: web.Request) -> str:
        rows = [
            ["ivo://a/0", "", FITS],
            *([f"ivo://a/{number}", f"BASE/files/{number}.fits", FITS] for number in (1, 2)),
        ]
        return answer(rows[: int(request.query["MAXREC"])])

    summary, sink = await listed(serving(text))
    assert (len(sink.rows), summary.nameless) == (2, 1)


def test_a_redirect_that_loses_the_query_is_requested_again_where_it_leads() -> None:
    def handle(request: web.Request) -> web.Response:
        if request.path == "/old/ssap":
            return web.Response(status=301, headers={"Location": f"http://localhost:{request.url.port}/ssap"})
        if request.path == "/ssap" and "REQUEST" not in request.query:
            return web.Response(text=f"<VOTABLE><RESOURCE>{status('ERROR', 'no REQUEST')}</RESOURCE></VOTABLE>")
        return serving(answer([["ivo://a/1", "BASE/files/1.fits", FITS]]))(request)

    with in_a_thread(lambda: server(handle)) as url:
        found = command(url.replace("/ssap", "/old/ssap"), "-o", "p.toml")
    assert found.exit_code == 0, (found.output, found.exception)
    assert re.fullmatch(r"http://localhost:\d+/ssap", load_profile("p.toml").ssap)


def test_a_file_behind_several_hosts_puts_all_of_them_into_the_profile() -> None:
    def handle(request: web.Request) -> web.Response:
        port = request.url.port
        if request.path == "/get/1":
            return web.Response(status=302, headers={"Location": f"http://localhost:{port}/get/2"})
        if request.path == "/get/2":
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{port}/files/1.fits"})
        return serving(answer([["ivo://a/1", "BASE/get/1", FITS]]))(request)

    with in_a_thread(lambda: server(handle)) as url:
        command(url, "-o", "p.toml", "--catalog", "all.csv")
    assert load_profile("p.toml").all_hosts == {"127.0.0.1", "localhost"}


async def test_rows_that_come_again_are_counted() -> None:
    summary, sink = await listed(serving(answer([["", "BASE/files/1.fits", FITS]] * 3)))
    assert (len(sink.rows), summary.rows, summary.repeated) == (1, 1, 2)


async def test_a_first_row_by_ftp_does_not_hide_the_others() -> None:
    rows = [["ivo://a/1", "ftp://x.example/1.fits", FITS], ["ivo://a/2", "BASE/files/2.fits", FITS]]
    summary, sink = await listed(serving(answer(rows)))
    assert (ids(sink), summary.nameless) == (["ivo://a/2"], 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda text: "<html><body>Under maintenance</body></html>", "Under maintenance", id="a page"),
        pytest.param(lambda text: "", "it is empty", id="nothing"),
        pytest.param(lambda text: '{"error": "POS missing"}', "POS missing", id="JSON"),
        pytest.param(lambda text: text[:-40], "damaged in line 1", id="cut short"),
        pytest.param(lambda text: "did,url\nivo://a/1,http://x/1.fits", "did,url", id="CSV"),
        pytest.param(lambda text: text.replace(FITS, "image/png"), None, id="pictures alone"),
        pytest.param(lambda text: text.replace("BASE/files", "ftp://x.example"), "neither a service", id="FTP alone"),
    ],
)
async def test_what_lists_no_spectrum_is_said_in_one_sentence(change: Callable[[str], str], words: str | None) -> None:
    text = change(answer([["ivo://a/1", "BASE/files/1.fits", FITS]]))
    if words is None:
        summary, _ = await listed(serving(text))
        assert (summary.spectra, dict(summary.unreadable)) == (0, {"image/png": 1})
        return
    with pytest.raises(ArchiveError, match=words):
        await listed(serving(text))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace("BASE/files/1.fits", "<![CDATA[BASE/files/1.fits?a&b]]>"), id="CDATA"),
        pytest.param(lambda text: text.replace(FITS, "IMAGE/X-FITS; charset=binary"), id="media type in capitals"),
        pytest.param(lambda text: text.replace("1.fits", "1 (1).fits"), id="blanks in the address"),
        pytest.param(lambda text: text.replace(f"<TD>{FITS}</TD>", ""), id="a row too short"),
        pytest.param(lambda text: re.sub("(</?RESOURCE)[^>]*>", r"\1>\1>", text), id="a resource within a resource"),
    ],
)  # fmt: skip
async def test_odd_answers_are_listed_whole(change: Callable[[str], str]) -> None:
    summary, sink = await listed(serving(change(answer([["ivo://a/1", "BASE/files/1.fits", FITS]]))))
    assert (ids(sink), summary.spectra, summary.rows) == (["ivo://a/1"], 1, 1)
