"""What documents tell: services by standard or by shape, what they offer, and what is then asked of them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from harvester.archive.profile import ArchiveProfile
from harvester.config.configuration import Configuration
from harvester.config.loading import load
from harvester.config.profiles import load_profile, shipped_profiles
from harvester.demo import listed_dids
from harvester.demo.votables import datalink_votable
from harvester.discovery.build_profile import format_findings, make_profile
from harvester.discovery.client import in_short
from harvester.errors import UsageError
from harvester.model.target import SpectrumId
from harvester.vo.descriptors import find_links, find_soda, processing, read_link, read_soda
from harvester.vo.document import Document, gather
from harvester.vo.urls import is_inside, with_query
from harvester.vo.votable import read_votable
from harvester.vo.votable_model import Param, ServiceDescriptor
from tests.unit.vo.test_votable import recorded

DID = SpectrumId("ivo://asu.cas.cz/stel/ccd700/tg160037")
SSAP = "http://voarchive.asu.cas.cz/ccd700/q/ssa/ssap.xml"
IDENTITY = Param("ID", ref="did")


def genuine() -> Document:
    return gather(SSAP, read_votable([recorded("ccd700-query-2017.xml")]))


def discovered() -> ArchiveProfile:
    document = genuine()
    service = find_soda(document)
    assert service
    return make_profile(read_soda(document, service), "ccd700", "as of 2017")


def chosen(tmp_path: Path, profile: ArchiveProfile, **flags: str) -> Configuration:
    file = tmp_path / "profile.toml"
    file.write_text(profile.as_toml("A heading\nof two lines."), encoding="utf-8")
    return load({"archive": str(file), **flags})


def test_the_genuine_descriptor_of_2017_is_understood() -> None:
    profile = discovered()
    assert profile.endpoint == "http://voarchive.asu.cas.cz/ccd700/q/sdl/dlget"
    assert profile.fluxcalibs == ("relative", "UNCALIBRATED", "normalized")
    assert profile.band_parameters == ("LAMBDA_MIN", "LAMBDA_MAX")
    assert profile.formats == load_profile("ondrejov").formats
    assert not profile.settings


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "169.254.169.254",
        "10.0.0.7",
        "192.168.1.1",
        "0.0.0.0",
        "100.64.0.1",
        "localhost",
        "localhost.",
        "a.localhost",
        "::1",
        "fe80::1",
        "::ffff:10.0.0.7",
    ],
)
def test_a_number_of_a_private_network_is_inside(host: str) -> None:
    assert is_inside(host)


@pytest.mark.parametrize("name", ["endpoint", "ssap", "tap"])
def test_a_profile_with_a_password_in_an_address_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.toml"
    shown = {"name": "a", "title": "A", "endpoint": "http://x.example/dlget"}
    file.write_text(tomli_w.dumps(shown | {name: "http://user:pw@x.example/dlget"}), encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name} has a name or a password in it; none is ever sent"):
        load_profile(str(file))
    file.write_text(tomli_w.dumps(shown | {name: "http://x.example/d@get?ID=a//b@c"}), encoding="utf-8")
    load_profile(str(file))


def test_an_archive_with_a_password_is_refused_and_it_is_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        load_profile("http://user:secret@x.example/dlget")
    assert "name or a password" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_no_address_that_an_archive_tells_shows_its_password() -> None:
    assert in_short("http://me:secret@x.example/dlget?ID=a@b") == "http://x.example/dlget?ID=a@b"


@pytest.mark.parametrize("host", ["voarchive.asu.cas.cz", "147.231.24.10", "2001:718::1", "10.example", ""])
def test_names_and_other_numbers_are_not(host: str) -> None:
    assert not is_inside(host)


def test_what_was_found_is_said_format_findings() -> None:
    document = genuine()
    service = find_soda(document)
    assert service
    words = dict(format_findings(read_soda(document, service), SSAP))
    assert words["fetch"] == ("by SODA (ivo://ivoa.net/std/SSDP#sync), http://voarchive.asu.cas.cz/ccd700/q/sdl/dlget")
    assert words["ids"] == "in the column ssa_pubDID"
    assert words["FLUXCALIB"] == "relative, UNCALIBRATED, normalized"
    assert words["LAMBDA_MIN"].startswith("3.86695e-07 to 8.98029e-07 m")


def test_older_services_get_the_limits_one_by_one(tmp_path: Path) -> None:
    request = chosen(tmp_path, discovered(), band="6500 6600 AA").request
    assert request.parameters(DID) == [
        ("ID", DID),
        ("FLUXCALIB", "normalized"),
        ("LAMBDA_MIN", "6.5e-07"),
        ("LAMBDA_MAX", "6.6e-07"),
        ("FORMAT", "application/fits"),
    ]
    request = chosen(tmp_path, discovered(), band="-Inf 6.6e-07").request
    assert [name for name, _ in request.parameters(DID)] == ["ID", "FLUXCALIB", "LAMBDA_MAX", "FORMAT"]


def test_a_profile_survives_its_file(tmp_path: Path) -> None:
    assert chosen(tmp_path, discovered()).profile == discovered()


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profiles_survive_their_files_too(name: str, tmp_path: Path) -> None:
    assert chosen(tmp_path, load_profile(name)).profile == load_profile(name)


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ([ServiceDescriptor("a", "http://x/a", "ivo://ivoa.net/std/SODA#sync-1.0", (IDENTITY,))], "a"),
        ([ServiceDescriptor("a", "http://x/a", "IVO://IVOA.NET/std/soda#sync", (IDENTITY,))], "a"),
        ([ServiceDescriptor("a", "http://x/a", "ivo://ivoa.net/std/SODA#async-1.0", (IDENTITY,))], None),
        ([ServiceDescriptor("a", "http://x/a", "", (IDENTITY, Param("FLUXCALIB")))], "a"),
        ([ServiceDescriptor("a", "http://x/a", "", (IDENTITY,))], None),
        ([ServiceDescriptor("a", "http://x/a", "ivo://ivoa.net/std/DataLink#links-1.0", (IDENTITY, Param("B")))], None),
        ([ServiceDescriptor("a", "ftp://x/a", "ivo://ivoa.net/std/SODA#sync-1.0", (IDENTITY,))], None),
        ([ServiceDescriptor("a", "http://[x/a", "ivo://ivoa.net/std/SODA#sync-1.0", (IDENTITY,))], None),
        ([ServiceDescriptor("a", "http://x/a", "ivo://ivoa.net/std/SODA#sync-1.0", (Param("POS"),))], None),
    ],
)
def test_a_service_is_known_by_its_standard_else_by_its_shape(
    services: list[ServiceDescriptor], found: str | None
) -> None:
    service = find_soda(Document(SSAP, services=services))
    assert (service.id if service else None) == found


def test_fixed_inputs_join_the_address() -> None:
    inputs = (IDENTITY, Param("COLL", value="a b"), Param("FORMAT", value="x", options=("x", "y")))
    service = ServiceDescriptor("a", "http://x/a?v=1", "ivo://ivoa.net/std/SODA#sync-1.0", inputs)
    findings = read_soda(Document(SSAP), service)
    assert findings.endpoint == "http://x/a?v=1&COLL=a%20b"
    assert [param.name for param in findings.inputs] == ["ID", "FORMAT"]


def test_a_datalink_document_leads_to_its_service_or_its_file() -> None:
    did = next(listed_dids(1))
    document = gather("http://x/dlmeta", read_votable([datalink_votable("http://x", [did], lambda each: True)]))
    service = processing(document)
    assert service
    assert service.access_url == "http://x/ccd700/q/sdl/dlget"
    assert read_link(document)[0].startswith("http://x/getproduct/")
    assert find_links(document) is None
    unknown = gather("http://x/dlmeta", read_votable([datalink_votable("http://x", [did], lambda each: False)]))
    assert processing(unknown) is None
    assert read_link(unknown) == ("", "NotFoundFault: No spectrum with this pubDID known here")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://x/a", "http://x/a?REQUEST=queryData"),
        ("http://x/a?", "http://x/a?REQUEST=queryData"),
        ("http://x/a?coll=b%20c&", "http://x/a?coll=b%20c&REQUEST=queryData"),
        ("http://x/a?request=getCapabilities&v=1#top", "http://x/a?v=1&REQUEST=queryData"),
    ],
)
def test_a_query_that_is_there_is_kept(url: str, asked: str) -> None:
    assert with_query(url, {"REQUEST": "queryData"}) == asked


STOCK = ArchiveProfile(
    name="stock",
    title="stock DaCHS",
    endpoint="http://x.example/dlget",
    parameters=("ID", "FLUXCALIB", "FORMAT"),
    fluxcalibs=("RELATIVE", "UNCALIBRATED"),
    formats=("application/fits", "text/csv"),
    settings={"fluxcalib": "none"},
)


def test_values_go_out_in_the_advertised_spelling(tmp_path: Path) -> None:
    settings = chosen(tmp_path, STOCK, fluxcalib="relative", format="Text/CSV").settings
    assert (settings.fluxcalib, settings.format) == ("RELATIVE", "text/csv")
    assert tomllib.loads(chosen(tmp_path, STOCK, fluxcalib="relative").as_toml())["fluxcalib"] == "RELATIVE"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"fluxcalib": "normalized"}, "--fluxcalib normalized: stock offers RELATIVE, UNCALIBRATED"),
        ({"fluxcalib": "relativ"}, "did you mean RELATIVE?"),
        ({"format": "application/fit"}, "did you mean application/fits?"),
        ({"band": "6500 6600 AA"}, "--band: stock cuts out no wavelengths"),
    ],
)
def test_what_is_not_offered_is_refused_before_anything_is_requested(
    flags: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(tmp_path, STOCK, **flags)
    assert words in str(refused.value)


def test_an_address_alone_is_not_checked() -> None:
    settings = load({"archive": "http://x.example/dlget", "fluxcalib": "Whatever", "band": "6500 6600 AA"}).settings
    assert settings.fluxcalib == "Whatever"


def test_a_profile_from_anywhere_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(tmp_path, replace(STOCK, fluxcalibs=("\x9b31mred", "two\nlines")), fluxcalib="blue")
    assert str(refused.value).isprintable()
