"""An ``ivo://`` through the registry: pyvo asks a RegTAP service on loopback, and discovery goes on from there."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html import escape

import pytest
from aiohttp import web
from pyvo import registry
from pyvo.registry.regtap import RegistryResource, get_RegTAP_service

from harvester.config.profiles import load_profile
from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.discovery.registry import is_ivoid, look_up
from harvester.errors import ArchiveError, UsageError
from tests.integration.test_discover_command import command, fault_of, in_a_thread, rows_of

COUNT = 20
SSA, TAP = "ivo://ivoa.net/std/ssa", "ivo://ivoa.net/std/tap"
AUTHORITY = "ivo://demo.example"
Capability = tuple[str, str]
"""A standard and an address."""
BETWEEN = ":::py VO sep:::"  # how pyvo asks for what a resource has many of (RegTAP 1.1, ivo_string_agg)


@pytest.fixture(scope="module")
def archive() -> Iterator[RunningArchive]:
    with in_a_thread(lambda: serve(DemoArchive(count=COUNT))) as running:
        yield running


def registered(archive: RunningArchive) -> dict[str, list[Capability]]:
    """Resources as a registry has them: identifiers in lower case, and capabilities beside those that count."""
    vosi = ("ivo://ivoa.net/std/vosi#availability", f"{archive.url}/ccd700/q/ssa/availability")
    return {
        f"{AUTHORITY}/ccd700/q/ssa": [(SSA, f"{archive.ssap}?"), vosi, (f"{TAP}#aux", archive.tap)],
        f"{AUTHORITY}/__system__/tap/run": [(TAP, archive.tap), vosi],
        f"{AUTHORITY}/two": [(SSA, archive.ssap), (SSA, "http://other.example/ssap")],
        f"{AUTHORITY}/twice": [(SSA, archive.ssap), (SSA, archive.ssap.replace("http:", "https:"))],
        f"{AUTHORITY}/cone": [("ivo://ivoa.net/std/conesearch", f"{archive.url}/scs")],
        f"{AUTHORITY}/text": [],
    }


@asynccontextmanager
async def regtap(resources: dict[str, list[Capability]]) -> AsyncIterator[str]:
    """A TAP service that answers pyvo's one question: what is registered under an identifier."""

    async def answer(request: web.Request) -> web.Response:
        asked = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        found = {ivoid: has for ivoid, has in resources.items() if f"ivoid='{ivoid}'" in asked["QUERY"]}
        return web.Response(text=document(found), content_type="application/x-votable+xml")

    application = web.Application()
    application.router.add_route("*", "/tap/sync", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"{site.name}/tap"
    await runner.cleanup()


def document(found: dict[str, list[Capability]]) -> str:
    names = [one if isinstance(one, str) else one[1] for one in RegistryResource.expected_columns]
    fields = "".join(f'<FIELD name="{name}" datatype="unicodeChar" arraysize="*"/>' for name in names)
    rows = ""
    for ivoid, capabilities in found.items():
        many = {
            "access_urls": [url for _, url in capabilities],
            "standard_ids": [standard for standard, _ in capabilities],
            "intf_types": ["vs:paramhttp" for _ in capabilities],
            "intf_roles": ["std" for _ in capabilities],
            "cap_descriptions": ["" for _ in capabilities],
        }
        row = {"ivoid": ivoid} | {name: BETWEEN.join(values) for name, values in many.items()}
        rows += "<TR>" + "".join(f"<TD>{escape(row.get(name, ''))}</TD>" for name in names) + "</TR>"
    return (
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
        f'<INFO name="QUERY_STATUS" value="OK"/><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>'
        "</RESOURCE></VOTABLE>"
    )


@pytest.fixture(autouse=True)
def chosen(archive: RunningArchive) -> Iterator[None]:
    """By pyvo's own means, as its users choose a registry."""
    before = get_RegTAP_service().baseurl
    with in_a_thread(lambda: regtap(registered(archive))) as url:
        registry.choose_RegTAP_service(url)
        yield
    registry.choose_RegTAP_service(before)


def test_an_identifier_leads_to_its_ssap_service_and_on(archive: RunningArchive) -> None:
    found = command(f"{AUTHORITY}/CCD700/q/ssa", "-o", "mine.toml", "--catalog", "mine.csv")
    assert found.exit_code == 0, (found.output, found.exception)
    assert f"registered  as SSAP, {archive.ssap}?" in found.output
    assert (load_profile("mine.toml").endpoint, load_profile("mine.toml").tap) == (archive.dlget, archive.tap)
    assert [row["id"] for row in rows_of("mine.csv")] == sorted(listed_dids(COUNT))


def test_an_identifier_of_a_tap_service_will_do(archive: RunningArchive) -> None:
    found = command(f"{AUTHORITY}/__system__/tap/run", "-o", "mine.toml")
    assert found.exit_code == 0, (found.output, found.exception)
    assert f"registered  as TAP, {archive.tap}" in found.output
    assert load_profile("mine.toml").table == "ccd700.data"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "the registry does not know it"),
        ("no' OR '1'='1", "the registry does not know it"),
        ("two", "several SSAP services are registered; give the address of one: http://"),
        ("cone", "neither SSAP nor TAP (it has: conesearch)"),
        ("text", "neither SSAP nor TAP (it has: no service)"),
    ],
)
def test_what_leads_nowhere_is_reported(path: str, words: str) -> None:
    fault = fault_of(command(f"{AUTHORITY}/{path}"))
    assert isinstance(fault, ArchiveError)
    assert words in str(fault)


async def test_one_service_with_and_without_tls_is_one() -> None:
    assert (await look_up(f"{AUTHORITY}/twice")).url.startswith("https://")


def test_a_registry_that_is_away_is_reported() -> None:
    registry.choose_RegTAP_service("http://127.0.0.1:9/tap")
    assert str(fault_of(command(f"{AUTHORITY}/two"))) == (
        f"{AUTHORITY}/two: the registry 127.0.0.1 cannot be reached; give the service's own address, "
        "or choose another registry with IVOA_REGISTRY"
    )


def test_without_pyvo_it_is_reported_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyvo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    fault = fault_of(command(f"{AUTHORITY}/two"))
    assert isinstance(fault, UsageError)
    assert "pip install 'specharvest[vo]'" in str(fault)


class Missing:
    """An import system without pyvo."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "pyvo":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(("text", "yes"), [("ivo://a/b", True), ("IVO://a/b", True), ("http://a/ivo://", False)])
def test_identifiers_are_known_by_their_scheme(text: str, yes: bool) -> None:
    assert is_ivoid(text) is yes
