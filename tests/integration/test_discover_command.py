"""``discover`` against servers: the demo archive from its address to a harvest, and archives that fail in every way."""

from __future__ import annotations

import asyncio
import csv
import resource
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from harvester.catalog.reader import read_catalog
from harvester.cli import commands
from harvester.config.profiles import load_profile
from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.demo.fits import original_size
from harvester.demo.observations import observe
from harvester.discovery.build_profile import format_findings
from harvester.discovery.client import VoClient
from harvester.discovery.discover import discover, list_spectra
from harvester.errors import ArchiveError, HarvestError
from harvester.model.limits import Limits
from harvester.vo.constraints import Constraints
from harvester.vo.descriptors import Findings
from harvester.vo.listing import ListingSummary
from tests.support.fault_server import head, serving_faults
from tests.support.harvests import fits_names

COUNT = 30
DIDS = list(listed_dids(COUNT))


@contextmanager
def in_a_thread(context: Callable[[], Any]) -> Iterator[Any]:
    """What an async context gives, while a loop of its own serves it."""
    given: list[Any] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with context() as value:
            given.append(value)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(10)
    yield given[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="module")
def archive() -> Iterator[RunningArchive]:
    with in_a_thread(lambda: serve(DemoArchive(count=COUNT))) as running:
        yield running


def command(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["discover", *arguments, "--rate", "0"], standalone_mode=False)


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fault_of(result: Result) -> HarvestError:
    assert isinstance(result.exception, HarvestError), (result.output, result.exception)
    return result.exception


def test_from_an_address_to_a_harvest(archive: RunningArchive) -> None:
    found = command(archive.ssap, "-o", "mine.toml", "--catalog", "mine.csv")
    assert found.exit_code == 0, found.exception
    assert "FLUXCALIB   relative, UNCALIBRATED, normalized" in found.output
    assert f"{COUNT} spectra (60 rows)" in found.output
    profile = load_profile("mine.toml")
    assert (profile.name, profile.endpoint, profile.ssap) == ("mine", archive.dlget, archive.ssap)
    assert profile.formats == load_profile("demo").formats, "the shipped profile tells what the archive tells"
    assert profile.fluxcalibs == load_profile("demo").fluxcalibs
    assert profile.parameters == load_profile("demo").parameters
    arguments = ["run", "--archive", "mine.toml", "--catalog", "mine.csv", "--rate", "0", "--fluxcalib", "Relative"]
    done = CliRunner().invoke(commands, [*arguments, "--progress", "none"], standalone_mode=False)
    assert done.return_value == 0, (done.output, done.exception)
    assert len(fits_names(Path("data/mine"))) == COUNT


def test_the_list_has_one_row_a_spectrum_in_plain_units(archive: RunningArchive) -> None:
    assert command(archive.ssap, "--catalog", "all.csv").exit_code == 0
    assert [row.did for row in read_catalog("all.csv").rows] == DIDS
    row, observation = rows_of("all.csv")[3], observe(DIDS[3])
    assert row["object"] == observation.star.name
    assert (float(row["ra"]), float(row["dec"])) == (observation.star.ra, observation.star.dec)
    assert float(row["wave_min"]) == pytest.approx(observation.wave_limits[0] * 1e-10)
    assert float(row["wave_max"]) == pytest.approx(observation.wave_limits[1] * 1e-10)
    assert float(row["time"]) == observation.mid_time
    assert (row["format"], row["size"]) == ("image/fits", str(original_size(observation)))


@pytest.mark.parametrize(
    "narrowed",
    [
        ["--target", observe(DIDS[12]).star.name],
        ["--pos", f"{observe(DIDS[12]).star.ra} {observe(DIDS[12]).star.dec}", "--size", "0.2"],
    ],
)
def test_constraints_reach_the_archive(archive: RunningArchive, narrowed: list[str]) -> None:
    assert command(archive.ssap, "--catalog", "few.csv", *narrowed).exit_code == 0
    wanted = [did for did in DIDS if observe(did).star == observe(DIDS[12]).star]
    assert 0 < len(wanted) < COUNT
    assert [row["id"] for row in rows_of("few.csv")] == wanted


NOWHERE = ["--pos", "10 -80", "--size", "0.2"]


@pytest.mark.parametrize("service", ["ssap", "tap"])
def test_constraints_that_nothing_meets_are_reported_as_they_were_given(archive: RunningArchive, service: str) -> None:
    url = getattr(archive, service)
    fault = fault_of(command(url, *NOWHERE, "--catalog", "none.csv", "-o", "mine.toml"))
    assert str(fault) == f"{url}: no spectrum matches --pos '10 -80' --size 0.2; nothing is written"
    assert fault.exit_code == 2
    assert list(Path().iterdir()) == []
    assert command(url, *NOWHERE, "-o", "mine.toml").exit_code == 0, "how to fetch does not depend on what is wanted"
    assert load_profile("mine.toml").endpoint == archive.dlget


def test_an_address_that_is_no_service_is_reported_with_what_to_give(archive: RunningArchive) -> None:
    root = "/".join(archive.ssap.split("/")[:3]) + "/nowhere"
    assert "HTTP 404" in str(fault_of(command(root)))
    assert str(fault_of(command(root))).endswith("; give the address of its SSAP (or TAP) service itself")


def test_a_table_of_an_ssap_service_is_reported_to_be_none(archive: RunningArchive) -> None:
    fault = fault_of(command(archive.ssap, "--table", "ccd700.data"))
    assert str(fault).startswith(f"{archive.ssap}: HTTP 404")
    assert str(fault).endswith(
        "--table makes it the address of a TAP service; give that service's, or leave --table out"
    )


def test_the_links_of_one_spectrum_list_no_others(archive: RunningArchive) -> None:
    fault = fault_of(command(f"{archive.dlget}?ID={DIDS[0]}", "--catalog", "all.csv"))
    assert (fault.exit_code, str(fault).partition(":")[0]) == (2, "--catalog")


def test_a_most_is_kept(archive: RunningArchive) -> None:
    found = command(archive.ssap, "--catalog", "few.csv", "--max", "4")
    assert [row["id"] for row in rows_of("few.csv")] == DIDS[:4]
    assert "there may be more (--max)" in found.output


def test_standard_output_has_nothing_but_the_list(archive: RunningArchive) -> None:
    found = command(archive.ssap, "--catalog", "-")
    assert found.stdout.splitlines()[0].startswith("id,object,ra")
    assert len(found.stdout.splitlines()) == COUNT + 1
    assert "FLUXCALIB" in found.stderr


@pytest.mark.parametrize("service", ["dlget", "dlmeta"])
def test_one_spectrum_tells_too(archive: RunningArchive, service: str) -> None:
    address = getattr(archive, service)
    assert command(f"{address}?ID={DIDS[0]}", "-o", "one.toml").exit_code == 0
    assert load_profile("one.toml").endpoint == archive.dlget
    assert load_profile("one.toml").parameters == ("ID", "FLUXCALIB", "BAND", "FORMAT")
    unknown = fault_of(command(f"{address}?ID={DIDS[0]}x"))
    assert unknown.exit_code == 5
    assert "NotFoundFault: No spectrum with this pubDID known here" in str(unknown)
    assert "?ID=ivo://" in str(fault_of(command(address)))


def test_no_file_is_overwritten(archive: RunningArchive) -> None:
    Path("labels.csv").write_text("id,label\n", encoding="utf-8")
    assert fault_of(command(archive.ssap, "--catalog", "labels.csv")).exit_code == 2
    assert Path("labels.csv").read_text(encoding="utf-8") == "id,label\n"
    assert command(archive.ssap, "--catalog", "labels.csv", "--force").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        ["http://me:secret@x.example/"],
        ["http://x.example/", "--pos", "north"],
        ["http://x.example/", "--pos", "1 91"],
        ["http://x.example/", "--band", "6500 6600"],
        ["http://x.example/", "--time", "2010-01-01"],
        ["http://x.example/", "--time", "2010-01-01 2009-01-01"],
        ["http://x.example/", "--size", "1"],
        ["http://x.example/dlget"],
    ],
)
def test_usage_is_refused_before_anything_is_requested(arguments: list[str]) -> None:
    assert fault_of(command(*arguments)).exit_code == 2


# --- archives that answer otherwise

Handler = Callable[[web.Request], web.Response]
HEAD = '<VOTABLE><RESOURCE type="results">'
END = "</RESOURCE></VOTABLE>"
COLUMNS = (
    '<FIELD name="did" utype="Curation.PublisherDID"/><FIELD name="url" utype="x:access.reference"/>'
    '<FIELD name="format" utype="SSA:Access.Format"/><FIELD name="start" unit="Angstrom"'
    ' utype="ssa:Char.SpectralAxis.Coverage.Bounds.Start"/><FIELD name="stop" unit="Angstrom"'
    ' utype="ssa:Char.SpectralAxis.Coverage.Bounds.Stop"/><FIELD name="kB" utype="ssa:Access.Size"/>'
    '<PARAM name="target" utype="ssa:Target.Name" value="Vega"/>'
)


def status(value: str, text: str = "") -> str:
    return f'<INFO name="QUERY_STATUS" value="{value}">{text}</INFO>'


def listing(count: int, before: str = "", behind: str = "") -> str:
    rows = "".join(
        f"<TR><TD>ivo://o/s/{number // 2}</TD><TD>http://x.example/{number}</TD><TD>{mime}</TD>"
        "<TD>6000</TD><TD>7000.5</TD><TD>2</TD></TR>"
        for number in range(count)
        for mime in [("application/x-votable+xml", "image/fits")[number % 2]]
    )
    table = f"<TABLE>{COLUMNS}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>"
    return f"{HEAD}{before}{table}{behind}{END}"


@asynccontextmanager
async def server(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        return handler(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{site.name}/ssap"
    finally:
        await runner.cleanup()


def answering(text: str, status_code: int = 200, **headers: str) -> Handler:
    return lambda request: web.Response(text=text, status=status_code, headers=headers)


class Rows:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.rows: list[dict[str, str]] = []

    def begin(self, columns: Any) -> None:
        self.columns, self.rows = list(columns), []

    def write(self, row: dict[str, str]) -> None:
        self.rows.append(row)


async def found(handler: Handler, constraints: Constraints | None = None) -> Findings:
    async with server(handler) as url, VoClient(Limits(rate=0), None) as asker:
        return await discover(asker, url, constraints or Constraints())


async def listed(handler: Handler, sink: Rows, most: int | None = None, **narrowed: Any) -> ListingSummary:
    constraints = Constraints(**narrowed)
    async with server(handler) as url, VoClient(Limits(rate=0), None) as asker:
        return await list_spectra(asker, await discover(asker, url, constraints), constraints, sink, most)


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answering(f"{HEAD}{status('ERROR', 'Field POS: missing')}{END}"), "the service says: Field POS: missing"),
        (answering(listing(3, behind=status("ERROR", "lost the database"))), "the service says: lost the database"),
        (answering("<html><body>Back on <b>Monday</b></body></html>"), "is not a VOTable but says: Back on Monday"),
        (answering("<VOTABLE><RESOURCE>"), "damaged"),
        (answering("Gone fishing", 503), "HTTP 503: Gone fishing"),
        (answering(f"{HEAD}{status('OK')}{END}"), "no list of spectra"),
        (answering(listing(0)), "it lists no spectrum"),
        (answering("", 302, Location="http://other.example/"), "other.example:80: "),
        (answering("", 302, Location="/again"), "redirects more than 3 times"),
    ],
)
async def test_failures_are_reported_in_the_services_own_words(handler: Handler, words: str) -> None:
    with pytest.raises(ArchiveError, match=words) as fault:
        await found(handler)
    assert fault.value.exit_code == 5


async def test_a_document_is_not_read_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.discovery.client._LARGEST", 20_000)
    with pytest.raises(ArchiveError, match="larger than expected"):
        await found(answering(listing(1000)))


async def test_an_archive_that_cannot_be_reached() -> None:
    async with server(answering("")) as url:
        pass
    async with VoClient(Limits(rate=0), None) as asker:
        with pytest.raises(ArchiveError, match="refused"):
            await discover(asker, url, Constraints())


async def test_a_service_whose_interim_responses_do_not_end_is_left() -> None:
    flood = head("Link: </x>; rel=preload", status="103 Early Hints") * 200
    async with serving_faults({}, pages={"/ssap": flood}) as service, VoClient(Limits(rate=0), None) as asker:
        with pytest.raises(ArchiveError, match="more than 100 interim responses"):
            await discover(asker, f"http://127.0.0.1:{service.port}/ssap", Constraints())


async def test_without_services_the_addresses_are_what_is_left() -> None:
    findings = await found(answering(listing(4)))
    assert (findings.mode, findings.id_column, findings.sample) == ("direct", "did", "ivo://o/s/0")


async def test_one_row_is_requested_and_we_say_who_we_are() -> None:
    seen: list[web.Request] = []

    def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(text=listing(4))

    await found(handler, Constraints(target="Vega", time=("2010-01-01", "")))
    request, after = seen
    assert after.path == "/tap/sync", "whether the same host lists them in pages, too"
    expected = {"REQUEST": "queryData", "MAXREC": "1", "TARGETNAME": "Vega", "TIME": "2010-01-01/"}
    assert dict(request.query) == expected
    assert "IVOA-copy" in request.headers["User-Agent"]


async def test_rows_are_folded_into_fits_and_units_are_heeded() -> None:
    sink = Rows()
    shown = await listed(answering(listing(6)), sink)
    assert (shown.spectra, shown.rows, shown.more) == (3, 6, False)
    assert sink.columns == ["id", "object", "wave_min", "wave_max", "format", "size", "access_url"]
    assert sink.rows[1] == {
        "id": "ivo://o/s/1",
        "object": "Vega",
        "wave_min": "6e-07",
        "wave_max": "7.0005e-07",
        "format": "image/fits",
        "size": "2048",
        "access_url": "http://x.example/3",
    }


async def test_what_the_archive_sends_although_it_is_excluded_is_left_out() -> None:
    from harvester.model.band import Band

    shown = await listed(answering(listing(6)), Rows(), band=Band(1e-7, 2e-7))
    assert (shown.spectra, shown.outside) == (0, 3)


def limited(rows: int, hard: int, where: str) -> Handler:
    """An archive with so many rows that lists ``hard`` of them at most, and says so before or behind them."""

    def handle(request: web.Request) -> web.Response:
        count = min(int(request.query["MAXREC"]), hard, rows)
        over = status("OVERFLOW") if count < rows else status("OK")
        return web.Response(text=listing(count, **{where: over}))

    return handle


@pytest.mark.parametrize("where", ["before", "behind"])
async def test_an_overflow_is_requested_again_with_more(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.discovery.ssap.MAXRECS", (20, 500))
    sink = Rows()
    shown = await listed(limited(100, 1000, where), sink)
    assert (shown.spectra, len(sink.rows), shown.more) == (50, 50, False)


@pytest.mark.parametrize("where", ["before", "behind"])
async def test_an_overflow_that_stays_is_reported(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.discovery.ssap.MAXRECS", (20, 60))
    with pytest.raises(ArchiveError, match=r"lists 60 rows .* narrow the list with --band"):
        await listed(limited(100, 1000, where), Rows())


async def test_a_maxrec_that_is_refused_is_lowered_to_what_is_allowed() -> None:
    def handle(request: web.Request) -> web.Response:
        if int(request.query["MAXREC"]) > 5000:
            return web.Response(text=f"{HEAD}{status('ERROR', 'MAXREC must not exceed 5000')}{END}")
        return web.Response(text=listing(8))

    assert (await listed(handle, Rows())).spectra == 4


async def test_an_error_behind_the_rows_spoils_the_list() -> None:
    def handle(request: web.Request) -> web.Response:
        return web.Response(text=listing(8, behind="" if request.query["MAXREC"] == "1" else status("ERROR", "oh")))

    with pytest.raises(ArchiveError, match="the service says: oh"):
        await listed(handle, Rows())


def test_a_list_that_fails_leaves_no_file() -> None:
    def handle(request: web.Request) -> web.Response:
        return web.Response(text=listing(8) if request.query["MAXREC"] == "1" else listing(8)[:-40])

    with in_a_thread(lambda: server(handle)) as url:
        assert fault_of(command(url, "--catalog", "all.csv", "-o", "my.toml")).exit_code == 5
    assert not list(Path().iterdir())


def test_a_disk_that_refuses_leaves_what_was_there(archive: RunningArchive) -> None:
    kept = {"my.toml": "mine = 1\n", "all.csv": "id\nmine\n", "all.csv.part": "mine, too\n"}
    for name, text in kept.items():
        Path(name).write_text(text, encoding="utf-8")
    for option, name in (("-o", "my.toml"), ("--catalog", "all.csv")):
        with no_room():
            fault = fault_of(command(archive.ssap, option, name, "--force"))
        assert (fault.exit_code, str(fault).rpartition("/")[2]) == (
            6,
            f"{name}: the file size limit is reached (ulimit -f)",
        )
    assert {path.name: path.read_text(encoding="utf-8") for path in Path().iterdir()} == kept
    assert command(archive.ssap, "-o", "my.toml", "--catalog", "all.csv", "--force").exit_code == 0
    assert load_profile("my.toml").endpoint == archive.dlget
    assert len(rows_of("all.csv")) == COUNT
    assert Path("all.csv.part").read_text(encoding="utf-8") == kept["all.csv.part"]


def test_a_profile_goes_where_its_link_leads(archive: RunningArchive) -> None:
    Path("kept").mkdir()
    Path("my.toml").symlink_to("kept/real.toml")
    assert command(archive.ssap, "-o", "my.toml").exit_code == 0
    assert Path("my.toml").is_symlink()
    assert load_profile("kept/real.toml").endpoint == archive.dlget


@contextmanager
def no_room() -> Iterator[None]:
    """Any file that is written now may have no byte."""
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))


LINKS = (
    '<RESOURCE type="meta" utype="adhoc:service"><PARAM name="standardID" value="ivo://ivoa.net/std/DataLink#links-1.1"/>'
    '<PARAM name="accessURL" value="links?v=1"/><GROUP name="inputParams"><PARAM name="ID" ref="did" value=""/></GROUP>'
    "</RESOURCE></VOTABLE>"
)
DATALINK = "".join(
    f'<FIELD name="{name}"/>' for name in ("ID", "access_url", "service_def", "error_message", "semantics")
)


def linked(row: str, service: str = "") -> Handler:
    """An SSAP service whose rows are described by datalink documents with ``row``."""

    def handle(request: web.Request) -> web.Response:
        if request.path != "/links":
            return web.Response(text=listing(2).removesuffix("</VOTABLE>") + LINKS)
        assert dict(request.query) == {"v": "1", "ID": "ivo://o/s/0"}
        cells = "".join(f"<TD>{cell}</TD>" for cell in row.split("|"))
        table = f"<TABLE>{DATALINK}<DATA><TABLEDATA><TR>{cells}</TR></TABLEDATA></DATA></TABLE>"
        return web.Response(text=f"{HEAD}{table}</RESOURCE>{service}</VOTABLE>")

    return handle


class Replayed(VoClient):
    """Asks no one: any address, out in the world or not, answers as ``handler`` would."""

    def __init__(self, answers: Callable[[str], str]) -> None:
        super().__init__(Limits(rate=0), None)
        self.asked: list[str] = []
        self._answers = answers

    async def _pieces(self, url: str, most_moves: int) -> AsyncGenerator[bytes, None]:
        self.asked.append(url)
        yield self._answers(url).encode()


SODA = LINKS.replace("ivo://ivoa.net/std/DataLink#links-1.1", "ivo://ivoa.net/std/SODA#sync-1.0")


@pytest.mark.parametrize(
    "answer",
    [
        listing(2).replace("http://x.example/", "http://169.254.169.254/"),
        listing(2).removesuffix("</VOTABLE>") + LINKS.replace("links?v=1", "http://127.0.0.1:8080/admin"),
        listing(2).removesuffix("</VOTABLE>") + SODA.replace("links?v=1", "http://[::1]/cut"),
    ],
)
async def test_an_archive_out_in_the_world_leads_no_one_into_his_own_network(answer: str) -> None:
    async with Replayed(lambda url: answer) as asker:
        with pytest.raises(ArchiveError, match=r"it leads to .*, inside a private network"):
            await discover(asker, "http://archive.example/ssap", Constraints())
        assert {url.split("/")[2] for url in asker.asked} == {"archive.example"}
    async with Replayed(lambda url: answer) as asker:
        await discover(asker, "http://10.0.0.7/ssap", Constraints())


async def test_another_host_is_reported_as_such() -> None:
    findings = await found(answering(listing(2)))
    shown = dict(format_findings(findings, "http://archive.example/ssap"))
    assert shown["hosts"].startswith("x.example, another host than you named")
    assert "hosts" not in dict(format_findings(findings, "http://x.example/ssap"))


NO_ADDRESS = [
    "http://127.0.0.1:99999/cut",
    "http://127.0.0.1:0/cut",
    f"http://{'a' * 300}.example/cut",
    "http://[::1/cut",
    "http://user:secret@127.0.0.1/cut",
]


@pytest.mark.parametrize("address", NO_ADDRESS)
async def test_a_service_at_an_address_that_is_none_is_no_service(address: str) -> None:
    def handle(request: web.Request) -> web.Response:
        assert request.path != "/links"
        services = (LINKS + SODA).replace("links?v=1", address)
        return web.Response(
            text=listing(2).removesuffix("</VOTABLE>") + services.replace("</VOTABLE>", "") + "</VOTABLE>"
        )

    assert (await found(handle)).mode == "direct"


@pytest.mark.parametrize("address", NO_ADDRESS)
async def test_what_is_no_address_is_said_to_be_none(address: str) -> None:
    async with VoClient(Limits(rate=0), None) as asker:
        with pytest.raises(ArchiveError, match="that is not a valid URL"):
            await asker.document(address)
    with pytest.raises(ArchiveError, match=r"not a valid URL|that is not a URL|another host|credentials"):
        await found(answering("", 302, Location=address))


async def test_links_lead_to_the_service_that_processes() -> None:
    service = (
        '<RESOURCE ID="svc"><PARAM name="accessURL" value="http://x.example/cut"/><GROUP name="inputParams">'
        '<PARAM name="ID" value="ivo://o/s/0"/><PARAM name="BAND" value=""/></GROUP></RESOURCE>'
    )
    findings = await found(linked("ivo://o/s/0||svc||#proc", service))
    assert (findings.mode, findings.endpoint, findings.id_column) == ("soda", "http://x.example/cut", "did")
    assert [param.name for param in findings.inputs] == ["ID", "BAND"]


async def test_links_lead_to_the_file_where_nothing_processes() -> None:
    findings = await found(linked("ivo://o/s/0|http://x.example/f.fits|||#this"))
    assert findings.mode == "datalink"
    assert findings.endpoint.endswith("/links?v=1")
