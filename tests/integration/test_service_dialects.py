"""Habits of services beside those of ``test_real_services``: each is listed whole, or refused in one sentence."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from harvester.config.profiles import load_profile
from harvester.discovery.access_mode import TableChoice
from harvester.discovery.ssap import IncompleteListError
from harvester.errors import ArchiveError
from harvester.vo.constraints import Constraints, mjd
from tests.integration.test_discover_command import command, fault_of, in_a_thread, server, status
from tests.integration.test_real_services import FITS, NAMED, SODA, SPECTRUM, answer, by_tap, ids, listed, serving
from tests.support.tap_stand_in import TapStandIn, obscore_row

ONE = [["ivo://a/1", "BASE/files/1.fits", FITS]]
LINKS = "application/x-votable+xml;content=datalink"
LINK_COLUMNS = [(name, "") for name in ("ID", "access_url", "semantics", "content_type", "error_message")]
PHP = "<br />\n<b>Warning</b>:  mysql_connect(): Headers are sent in <b>/var/www/ssa.php</b> on line <b>5</b><br />\n"

# --- reading answers


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: PHP + '<?xml version="1.0" encoding="UTF-8"?>\n' + text, id="warnings in front"),
        pytest.param(lambda text: PHP + text, id="warnings in front, no declaration"),
        pytest.param(lambda text: f"{text}\n{PHP}", id="warnings behind the end"),
        pytest.param(lambda text: re.sub(r"\b(name|utype|datatype)=", lambda it: it[0].upper(), text), id="capitals"),
        pytest.param(lambda text: text.lower().replace("base/", "BASE/"), id="elements in lower case"),
        pytest.param(lambda text: text.replace(FITS, "native"), id="a word as media type"),
        pytest.param(lambda text: text.replace(FITS, "application/x-unknown"), id="a type that says nothing"),
        pytest.param(lambda text: text.replace(FITS, "text/plain"), id="what servers say of unknown names"),
        pytest.param(
            lambda text: text.replace("BASE/files/1.fits", '&lt;a href="BASE/files/1.fits"&gt;get&lt;/a&gt;'),
            id="the address in HTML",
        ),
        pytest.param(lambda text: text.replace("BASE/files", "//127.0.0.1:PORT/files"), id="an address without scheme"),
        pytest.param(
            lambda text: text.replace("BASE/files/1.fits", "&amp;quot;BASE/files/1.fits&amp;quot;"),
            id="escaped quotation marks",
        ),
        pytest.param(
            lambda text: text.replace("</TR>", "</TR><TR><TD>ivo://a/2</TD><TD>null</TD><TD/></TR>"),
            id="a row whose address is null",
        ),
    ],
)  # fmt: skip
async def test_odd_answers_are_listed_whole(change: Callable[[str], str]) -> None:
    def text(request: web.Request) -> str:
        return change(answer(ONE)).replace("PORT", str(request.url.port))

    summary, sink = await listed(serving(text))
    assert (ids(sink), summary.spectra) == (["ivo://a/1"], 1)
    assert sink.rows[0]["access_url"].endswith("/files/1.fits")


async def test_another_document_behind_the_end_is_not_passed_over() -> None:
    with pytest.raises(ArchiveError, match="another VOTable follows behind its end"):
        await listed(serving(answer(ONE) + answer(ONE)))


@pytest.mark.parametrize(
    "info",
    [
        '<INFO NAME="QUERY_STATUS" VALUE="ERROR">Wrong POS</INFO>',
        '<INFO ID="QUERY_STATUS" value="ERROR">Wrong POS</INFO>',
        '<PARAM name="QUERY_STATUS" value="ERROR"/><INFO name="Error" value="Wrong POS"/>',
        '<INFO ID="Error" name="Error" value="Wrong POS"/>',
        '<PARAM name="Error" value="Wrong POS"/>',
    ],
)
async def test_an_error_is_heard_wherever_it_is(info: str) -> None:
    with pytest.raises(ArchiveError, match="Wrong POS"):
        await listed(serving(f"<VOTABLE><RESOURCE>{info}</RESOURCE></VOTABLE>"))


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        pytest.param(lambda body: body, "gzip", id="said but not done"),
        pytest.param(lambda body: gzip.compress(gzip.compress(body)), "gzip", id="twice"),
        pytest.param(lambda body: gzip.compress(body[:100]) + gzip.compress(body[100:]), "", id="two files in one"),
        pytest.param(lambda body: gzip.compress(body) + b"\0" * 20, "", id="padded"),
        pytest.param(zlib.compress, "deflate", id="zlib"),
        pytest.param(_raw_deflate, "deflate", id="deflate"),
    ],
)
async def test_however_an_answer_is_packed_it_is_unpacked(pack: Callable[[bytes], bytes], encoding: str) -> None:
    def handle(request: web.Request) -> web.Response:
        if request.path != "/ssap":
            return web.Response(status=404)
        text = answer(ONE).replace("BASE", f"http://127.0.0.1:{request.url.port}")
        return web.Response(body=pack(text.encode()), headers={"Content-Encoding": encoding} if encoding else {})

    assert (await listed(handle))[0].spectra == 1


# --- asking


def refusing(
    parameter: str, largest: float, words: str, code: int = 400, rows: list[list[str]] | None = None
) -> Callable[[web.Request], web.Response]:
    """A service that refuses a larger value of one parameter, packed with gzip as some pack everything."""

    def handle(request: web.Request) -> web.Response:
        if request.path == "/ssap" and float(request.query.get(parameter, "0")) > largest:
            text = f"<VOTABLE><RESOURCE>{status('ERROR', words)}</RESOURCE></VOTABLE>"
            return web.Response(body=gzip.compress(text.encode()), status=code, headers={"Content-Encoding": "gzip"})
        return serving(answer(ONE if rows is None else rows))(request)

    return handle


@pytest.mark.parametrize(
    ("largest", "words"),
    [
        (5000, "The maximum number of records is 5,000"),
        (2000, "MAXREC: at most 2 000 rows are allowed (2026-11-30)"),
        (500, "MAXREC is too large"),
        (0, "Unknown parameter MAXREC"),
    ],
)
@pytest.mark.parametrize("code", [200, 400, 500])
async def test_a_maxrec_that_is_refused_is_lowered_or_left_out(largest: int, words: str, code: int) -> None:
    assert (await listed(refusing("MAXREC", largest, words, code)))[0].spectra == 1


async def test_too_many_rows_for_one_answer_are_listed_in_parts() -> None:
    def handle(request: web.Request) -> web.Response:
        first, _, last = request.query.get("TIME", "/").partition("/")
        low, high = mjd(first) if first else 0.0, mjd(last) if last else 1e6
        days = [day for day in range(30) if low <= 55000 + day <= high][: int(request.query["MAXREC"])]
        if request.path == "/ssap" and len(days) > 8:
            words = status("ERROR", "Query matches too many rows, please refine your search")
            return web.Response(text=f"<VOTABLE><RESOURCE>{words}</RESOURCE></VOTABLE>")
        return serving(answer([[f"ivo://a/{day}", f"BASE/files/{day}.fits", FITS] for day in days]))(request)

    summary, sink = await listed(handle)
    assert sorted(int(row["id"].rpartition("/")[2]) for row in sink.rows) == list(range(30))
    assert "parts by time" in summary.remark


async def test_a_list_that_takes_too_long_is_listed_in_parts() -> None:
    def handle(request: web.Request) -> web.Response:
        if request.path == "/ssap" and "TIME" not in request.query and request.query["MAXREC"] != "1":
            return web.Response(status=504, text="Gateway Timeout")
        return serving(answer(ONE))(request)

    summary, sink = await listed(handle)
    assert (ids(sink), summary.incomplete) == (["ivo://a/1"], "")


@pytest.mark.parametrize("cap", [50, 200, 500, 2500, 1024])
async def test_limits_that_are_not_mentioned_are_recognised(cap: int) -> None:
    def text(request: web.Request) -> str:
        number = min(cap, int(request.query["MAXREC"]))
        return answer([[f"ivo://a/{one}", f"BASE/files/{one}.fits", FITS] for one in range(number)])

    with pytest.raises(IncompleteListError, match="may be cut"):
        await listed(serving(text))


@pytest.mark.parametrize("code", [400, 500])
async def test_a_largest_size_in_arc_minutes_is_heeded(code: int) -> None:
    asked: list[float] = []

    def handle(request: web.Request) -> web.Response:
        if request.path != "/ssap":
            return web.Response(status=404)
        size = float(request.query.get("SIZE", "nan"))
        if not size <= 90:
            words = "the radius must not exceed 5400 arcmin" if "POS" in request.query else "parameter POS missing"
            return web.Response(text=f"<VOTABLE><RESOURCE>{status('ERROR', words)}</RESOURCE></VOTABLE>", status=code)
        asked.append(size)
        return serving(answer(ONE))(request)

    summary, sink = await listed(handle)
    assert ids(sink) == ["ivo://a/1"]
    assert asked
    assert "circles of the sky" in summary.remark


async def test_a_whole_sky_that_is_no_whole_sky_is_noticed() -> None:
    def text(request: web.Request) -> str:
        if "POS" not in request.query:
            return answer([])
        ra, dec = map(float, request.query["POS"].split(","))
        here = Constraints(position=(ra, dec), size=10.0)  # whatever SIZE says
        stars = {"ivo://a/1": (1.0, 1.0), "ivo://a/2": (100.0, 50.0)}
        near = [did for did, (a, d) in stars.items() if here.admit({"ra": str(a), "dec": str(d)})]
        return answer([[did, f"BASE/files/{did[-1]}.fits", FITS] for did in near])

    with pytest.raises(IncompleteListError, match="restricts it without saying so: give a place with --pos"):
        await listed(serving(text))


async def test_an_ssap_list_is_read_by_the_columns_that_are_named() -> None:
    columns = (("number", ""), ("zieladresse", ""), ("preview_url", ""))
    rows = [[str(one), f"BASE/files/{one}.fits", f"BASE/{one}.png"] for one in range(3)]
    with pytest.raises(ArchiveError, match=r"its columns: number, zieladresse, preview_url \(name one with --url-"):
        await listed(serving(answer(rows, columns)))
    summary, sink = await listed(serving(answer(rows, columns)), choice=TableChoice("", "number", "zieladresse"))
    assert [row["id"] for row in sink.rows] == ["0", "1", "2"]
    assert summary.spectra == 3


# --- refusals that help


@pytest.mark.parametrize(
    ("respond", "words"),
    [
        (lambda: web.Response(status=503, text="Nightly backup"), "HTTP 503: Nightly backup; try again later"),
        (lambda: web.Response(status=401, text="Log in"), "HTTP 401: Log in; ask the archive's operator for access"),
        (lambda: web.Response(status=500, text="Oops"), "HTTP 500: Oops; --verbose shows each request"),
        (lambda: web.Response(text="<html>Welcome</html>"), "says: Welcome; give the address of its SSAP"),
        (lambda: web.Response(status=404, text="No such page"), "No such page; give the address of its SSAP"),
        (lambda: web.Response(status=302, headers={"Location": "/again"}), "redirects more than 3 times"),
    ],
)
def test_a_failed_discovery_names_address_answer_and_what_to_try(
    respond: Callable[[], web.Response], words: str
) -> None:
    with in_a_thread(lambda: server(lambda request: respond())) as url:
        said = str(fault_of(command(url)))
    assert said.startswith(url)
    assert words in said
    assert said.isprintable()


def test_a_closed_port_is_named_with_what_to_check() -> None:
    with in_a_thread(lambda: server(serving(""))) as url:
        pass
    assert re.search(r":\d+: .*refused; check host and port", str(fault_of(command(url))))


# --- datalink


def links(rows: list[list[str]]) -> str:
    return answer(rows, LINK_COLUMNS)


def linked(
    document: Callable[[str], str], media_type: str = LINKS, services: str = ""
) -> Callable[[web.Request], web.Response]:
    """Three spectra whose addresses lead to what ``document`` makes of their numbers."""
    rows = [[f"ivo://a/obs?{one}", f"BASE/links?ID={one}", media_type] for one in range(3)]

    def handle(request: web.Request) -> web.Response:
        if request.path == "/links":
            text = document(request.query["ID"])
            body = text.replace("BASE", f"http://127.0.0.1:{request.url.port}")
            return web.Response(text=body, status=200 if text else 404, content_type="text/xml")
        return serving(answer(rows, services=services))(request)

    return handle


def harvested(handler: Callable[[web.Request], web.Response], code: int = 0) -> str:
    """Discover and run; return what discovery printed."""
    with in_a_thread(lambda: server(handler)) as url:
        found = command(url, "-o", "p.toml", "--catalog", "all.csv")
        assert found.exit_code == 0, (found.output, found.exception)
        done = command_run("p.toml")
    assert done == code
    return str(found.output)


def command_run(profile: str) -> int:
    from click.testing import CliRunner

    from harvester.cli import commands

    arguments = ["run", "--archive", profile, "--catalog", "all.csv", "--out", "out", "--progress", "none"]
    done = CliRunner().invoke(commands, arguments, standalone_mode=False)
    return int(done.return_value)


def this(one: str, did: str = "") -> list[str]:
    return [did or f"ivo://a/obs?{one}", f"BASE/files/{one}.fits", "#this", FITS, ""]


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        pytest.param(lambda one: links([this(one)]), "application/x-votable+xml", id="a type that hides the links"),
        pytest.param(lambda one: links([this(one)]), 'application/x-votable+xml; content="datalink"', id="quoted"),
        pytest.param(lambda one: links([this(one, one)]), LINKS, id="identifiers without their beginning"),
        pytest.param(lambda one: links([this(one, f"ivo%3A%2F%2Fa%2Fobs%3F{one}")]), LINKS, id="encoded"),
        pytest.param(lambda one: links([this(one)]).replace("#this", "self"), LINKS, id="as drafts had it"),
        pytest.param(lambda one: PHP + links([this(one)]), LINKS, id="warnings in front"),
        pytest.param(lambda one: links([this(one)]).replace("BASE/files", "../files"), LINKS, id="relative"),
    ],
)
def test_dialects_of_datalink_are_understood(document: Callable[[str], str], media_type: str) -> None:
    harvested(linked(document, media_type))
    assert load_profile("p.toml").mode == "datalink"
    assert len(list(Path("out").glob("*.fits"))) == 3


def test_a_file_in_place_of_its_document_is_taken() -> None:
    rows = [[f"ivo://a/{one}", f"BASE/files/{one}.fits", LINKS] for one in range(3)]
    harvested(serving(answer(rows)))
    assert len(list(Path("out").glob("*.fits"))) == 3


@pytest.mark.parametrize("gone", ["", links([["ivo://a/obs?0", "", "#this", "", "NotFoundFault: embargoed"]])])
def test_a_first_document_without_a_file_does_not_hide_the_others(gone: str) -> None:
    harvested(linked(lambda one: gone if one == "0" else links([this(one)])), code=3)
    assert len(list(Path("out").glob("*.fits"))) == 2


def test_a_document_of_several_files_is_said_to_have_them() -> None:
    def document(one: str) -> str:
        return links([this(one), [f"ivo://a/obs?{one}", f"BASE/files/{one}b.fits", "#this", FITS, ""]])

    assert "name 2 FITS files as #this" in harvested(linked(document))


def test_a_service_that_takes_no_identifier_but_one_is_passed_over() -> None:
    asynchronous = SODA.replace("SODA#sync-1.0", "SODA#async-1.0").format(value="", ref="did")
    rows = [[f"ivo://a/{one}", f"BASE/files/{one}.fits", FITS] for one in range(3)]
    harvested(serving(answer(rows, services=asynchronous)))
    assert load_profile("p.toml").mode == "direct"
    assert next(Path("out").glob("*.fits")).read_bytes() == SPECTRUM


# --- TAP


@pytest.mark.parametrize(
    "stand_in",
    [
        TapStandIn(NAMED, refuse={"COUNT": "aggregate functions are not supported"}),
        TapStandIn(NAMED, refuse={"COUNT": "aggregate functions are not supported"}, limit=7),
        TapStandIn(NAMED, refuse={"ORDER BY": "ORDER BY is not supported"}),
        TapStandIn(NAMED, refuse={"ORDER BY": "ORDER BY is not supported"}, limit=7, is_ordered=False),
        TapStandIn(NAMED, is_ordered=False, limit=7),
        TapStandIn([obscore_row(one, "ivo://a/all") for one in range(40)], is_ordered=False, limit=7),
        TapStandIn(NAMED, top_of_maxrec=20),
        TapStandIn(NAMED, top_of_maxrec=20, status=500),
        TapStandIn(NAMED, formats=["votable"], status=406),
        TapStandIn(NAMED, formats=["votable"], status=200),
        TapStandIn(NAMED, has_schema=False, tables_document=True, tables_need_detail=True, refuse={r"1 \*": "no"}),
        TapStandIn(NAMED, limit=1),
    ],
    ids=[
        "no count",
        "no count, cut",
        "no order",
        "no order, cut",
        "order ignored, cut",
        "order ignored, one DID",
        "a lower MAXREC",
        "a lower MAXREC by 500",
        "not acceptable",
        "an error in a 200",
        "columns on demand",
        "one row at a time",
    ],
)
async def test_dialects_of_tap_are_spoken(stand_in: TapStandIn) -> None:
    summary, sink = await by_tap(stand_in)
    assert sorted(row["access_url"].rpartition("/")[2] for row in sink.rows) == sorted(
        f"{one}.fits" for one in range(40)
    )
    assert set(sink.columns) >= {"object", "time", "format", "size", "access_url"}
    assert (summary.spectra, summary.rows) == (40, 40)


def test_a_tap_service_that_moved_is_followed_and_it_is_said() -> None:
    stand_in = TapStandIn(NAMED).handler("/new/tap")

    def handle(request: web.Request) -> web.Response:
        if request.path == "/tap/sync":
            there = f"http://localhost:{request.url.port}/new/tap/sync?{request.query_string}"
            return web.Response(status=302, headers={"Location": there})
        return web.Response(body=SPECTRUM) if request.path.startswith("/files/") else stand_in(request)

    with in_a_thread(lambda: server(handle)) as url:
        found = command(url.replace("/ssap", "/tap"), "-o", "p.toml", "--catalog", "all.csv")
    assert found.exit_code == 0, (found.output, found.exception)
    assert re.search(r"moved +http://127.0.0.1:\d+/tap redirects to http://localhost:\d+/new/tap;", found.output)
    assert load_profile("p.toml").tap.endswith("/new/tap")


async def test_columns_whose_names_are_words_of_sql_are_quoted() -> None:
    columns = {"number": ("long", "", ""), "date": ("char", "", ""), "size": ("long", "", ""), "link": ("char", "", "")}
    rows = [[one, "2010-01-01", 5, f"BASE/files/{one}.fits"] for one in range(3)]
    stand_in = TapStandIn(rows, "dr.catalogue", columns, refuse={r'(?<!")\b(?:date|size)\b(?!")': "syntax error"})
    _, sink = await by_tap(stand_in, choice=TableChoice("dr.catalogue", "number", "link"))
    assert [row["id"] for row in sink.rows] == ["0", "1", "2"]


async def test_a_first_row_without_an_address_does_not_hide_the_others_of_a_table() -> None:
    rows = [obscore_row(one, f"ivo://a/{one}") for one in range(3)]
    rows[0][4] = None
    summary, sink = await by_tap(TapStandIn(rows))
    assert (len(sink.rows), summary.nameless) == (2, 1)
