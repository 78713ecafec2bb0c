"""Every profile that comes along and was made from documents, from ``discover`` to ``export``, against a stand-in.

The stand-in answers as the archive's documents say; the profile is the shipped one with the stand-in's host in place of
its own. What the real archive does may differ: that is why they are marked as unproven.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from harvester.cli import commands
from harvester.config.profiles import load_profile, shipped_profiles
from harvester.vo.constraints import Constraints
from tests.integration.test_discover_command import command, in_a_thread, server, status
from tests.integration.test_real_services import FITS, SODA, SPECTRUM, answer, dated, serving
from tests.support.harvests import fits_names
from tests.support.tap_stand_in import TapStandIn

Handler = Callable[[web.Request], web.Response]
DATALINK = "application/x-votable+xml;content=datalink"
UNPROVEN = [name for name in shipped_profiles() if load_profile(name).unproven]


def local_profile(name: str, port: str) -> str:
    """Write the shipped profile with loopback in place of its hosts; return the file."""
    text = (files("harvester.archive") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    text = re.sub(r"https?://[a-z0-9.-]+", f"http://127.0.0.1:{port}", text)
    text = re.sub(r"(?m)^hosts = .*$", 'hosts = ["127.0.0.1", "localhost"]', text)
    Path("local.toml").write_text(re.sub(r"rate = [\d.]+", "rate = 0.0", text), encoding="utf-8")
    return "local.toml"


def harvested(name: str, port: str, catalog: str) -> int:
    """Run and export with the profile; return how many spectra are stored."""
    archive = local_profile(name, port)
    arguments = ["--archive", archive, "--catalog", catalog, "--out", "out"]
    run = CliRunner().invoke(commands, ["run", *arguments, "--progress", "none"], standalone_mode=False)
    assert run.return_value == 0, (run.output, run.exception)
    export = CliRunner().invoke(commands, ["export", "all.parquet", *arguments], standalone_mode=False)
    assert export.return_value == 0, (export.output, export.exception)
    assert Path("all.parquet").stat().st_size > 0
    looked = command("--check", archive, "--catalog", catalog)
    assert looked.return_value == 0, looked.output
    assert "seen: " in looked.output
    return len(fits_names(Path("out")))


def written(column: str, identifiers: Sequence[str]) -> str:
    with Path("all.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[column], *([each] for each in identifiers)])
    return "all.csv"


def port_of(url: str) -> str:
    return re.sub(r".*:(\d+)/.*", r"\1", url)


def discovered(url: str, *options: str) -> str:
    found = command(url, "--catalog", "all.csv", "--no-sample", *options)
    assert found.exit_code == 0, (found.output, found.exception)
    return "all.csv"


def linked(request: web.Request, did: str, services: str = "") -> web.Response:
    """The datalink document of a spectrum, whose file is on another host."""
    columns = ("ID", "access_url", "semantics", "content_type")
    row = [did, f"ALT/files/{did[-1]}.fits", "#this", "application/x-fits"]
    return serving(answer([row], [(name, "") for name in columns], services=services))(request.clone(rel_url="/ssap"))


def archive_of_links(path: str, services: str = "") -> Handler:
    rows = [
        [did, "spectrum", "star", 55000.0, f"BASE/links?ID={did}", DATALINK, 12]
        for did in (f"ivo://a.example/ID?{number}" for number in range(3))
    ]
    stand_in = TapStandIn(rows, formats=["votable"] if services else ())

    def handle(request: web.Request) -> web.Response:
        if request.path.endswith("/links"):
            return linked(request, request.query["ID"], services.replace("DID", request.query["ID"]))
        return (serving("") if request.path.startswith("/files/") else stand_in.handler(path))(request)

    return handle


def test_eso() -> None:
    with in_a_thread(lambda: server(archive_of_links("/tap_obs"))) as url:
        catalog = discovered(url.replace("/ssap", "/tap_obs"), "--table", "ivoa.ObsCore")
        assert harvested("eso", port_of(url), catalog) == 3


def test_cadc() -> None:
    soda = SODA.format(value="cadc:CFHT/DID", ref="")
    with in_a_thread(lambda: server(archive_of_links("/argus", soda))) as url:
        catalog = discovered(url.replace("/ssap", "/argus"), "--table", "ivoa.ObsCore")
        assert harvested("cadc", port_of(url), catalog) == 3


def test_mast() -> None:
    columns = {"obs_id": ("char", "", ""), "dataURL": ("char", "", "")}
    stand_in = TapStandIn([[f"l{number}", f"BASE/files/{number}.fits"] for number in range(3)], "dbo.products", columns)
    path = "/vo-tap/api/v0.1/caom"

    def handle(request: web.Request) -> web.Response:
        return (serving("") if request.path.startswith("/files/") else stand_in.handler(path))(request)

    with in_a_thread(lambda: server(handle)) as url:
        options = ["--table", "dbo.products", "--id-column", "obs_id", "--url-column", "dataURL"]
        catalog = discovered(url.replace("/ssap", path), *options)
        assert harvested("mast", port_of(url), catalog) == 3


@pytest.mark.parametrize(
    ("name", "column", "identifiers", "pattern"),
    [
        ("sdss", "id", [f"26/spectra/lite/0266/spec-0266-51602-000{n}.fits" for n in (1, 2)], r"/sas/dr17/.*\.fits"),
        ("lamost", "obsid", ["437513049", "870813030"], r"/dr10/v2.0/spectrum/fits/\d+"),
        ("gaia-rvs", "source_id", ["5853498713190525696", "5853498713190525697"], r"/data-server/data"),
    ],
)
def test_files_by_number(name: str, column: str, identifiers: list[str], pattern: str) -> None:
    asked: list[str] = []

    def handle(request: web.Request) -> web.Response:
        assert re.fullmatch(pattern, request.path)
        asked.append(request.path_qs)
        return web.Response(body=gzip.compress(SPECTRUM) if name == "lamost" else SPECTRUM)

    with in_a_thread(lambda: server(handle)) as url:
        assert harvested(name, port_of(url), written(column, identifiers)) == 2
    assert all(any(each in path for path in asked) for each in identifiers)


def test_bess() -> None:
    listing = dated(25, 10, gives_some=False)

    def handle(request: web.Request) -> web.Response:
        return listing(request.clone(rel_url=str(request.rel_url).replace("/cgi-bin/ssapBE.pl", "/ssap")))

    with in_a_thread(lambda: server(handle)) as url:
        catalog = discovered(url.replace("/ssap", "/cgi-bin/ssapBE.pl"))
        assert harvested("bess", port_of(url), catalog) == 25


def test_polarbase() -> None:
    stars = {"a": (10.0, 40.0), "b": (200.0, -60.0)}

    def handle(request: web.Request) -> web.Response:
        if request.path.startswith("/files/"):
            return web.Response(body=SPECTRUM)
        size = float(request.query.get("SIZE", "nan"))
        if request.path != "/download/ssa_polarbase" or not size <= 90:
            words = "SIZE must be at most 90 degrees" if "POS" in request.query else "POS is mandatory"
            return web.Response(text=f"<VOTABLE><RESOURCE>{status('ERROR', words)}</RESOURCE></VOTABLE>")
        ra, dec = map(float, request.query["POS"].split(","))
        here = Constraints(position=(ra, dec), size=size)
        near = [name for name, (a, d) in stars.items() if here.admit({"ra": str(a), "dec": str(d)})]
        return serving(answer([["", f"BASE/files/{name}.fits", FITS] for name in near]))(request.clone(rel_url="/ssap"))

    with in_a_thread(lambda: server(handle)) as url:
        catalog = discovered(url.replace("/ssap", "/download/ssa_polarbase"))
        assert harvested("polarbase", port_of(url), catalog) == 2


def test_every_unproven_profile_has_a_stand_in_here() -> None:
    assert UNPROVEN == ["bess", "cadc", "eso", "gaia-rvs", "lamost", "mast", "polarbase", "sdss"]
