"""The three ways to a spectrum, as values: which addresses are asked, and which never."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.archive.access import DatalinkAccess, DirectAccess, filled
from harvester.archive.url_policy import check_url
from harvester.config.loading import load
from harvester.demo import listed_dids
from harvester.demo.votables import datalink_votable, error_votable
from harvester.errors import UsageError
from harvester.model.failures import FailureKind, FetchError
from harvester.model.outcomes import Fetched
from harvester.model.target import SpectrumId, Target
from harvester.vo.datalink import file_of

DID = SpectrumId("ivo://org.gavo.dc/~?feros/data/f 08751+x.fits")
HOSTS = frozenset({"dc.example"})
COLUMNS = ("ID", "access_url", "service_def", "error_message", "semantics", "content_type", "link_authorized")
FILE = "http://dc.example/f.fits"


def document(*rows: str) -> bytes:
    """A datalink document; cells of a row are separated by ``|``."""
    fields = "".join(f'<FIELD name="{name}" datatype="char" arraysize="*"/>' for name in COLUMNS)
    cells = ["".join(f"<TD>{escape(cell)}</TD>" for cell in row.split("|")) for row in rows]
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{''.join(f'<TR>{row}</TR>' for row in cells)}</TABLEDATA></DATA></TABLE>"
    return f'<VOTABLE><RESOURCE type="results">{table}</RESOURCE></VOTABLE>'.encode()


@pytest.mark.parametrize(
    "rows",
    [
        [f"{DID}|{FILE}|||#this|image/fits|"],
        [f"{DID}|{FILE}|||http://www.ivoa.net/rdf/datalink/core#this||"],
        [f"{DID}|http://dc.example/f.vot|||#this|application/x-votable+xml|", f"{DID}|{FILE}|||#this|image/fits|"],
        [f"{DID}|http://dc.example/f.bin|||#this||", f"{DID}|{FILE}|||#this|application/fits|true"],
        [f"{DID}|||UsageFault: no preview|#preview||", f"{DID}|{FILE}|||#this|application/gzip|"],
        [f"{DID}||soda||#this|image/fits|", f"{DID}|{FILE}|||#this|image/fits|"],
        ["ivo://other|http://dc.example/other.fits|||#this|image/fits|", f"{DID}|{FILE}|||#this|image/fits|"],
        [f"{DID}|http://dc.example/p.png|||#preview|image/png|"] * 30 + [f"{DID}|{FILE}|||#this|image/fits|"],
    ],
)
def test_the_file_is_what_the_document_calls_this_and_may_be_fits(rows: list[str]) -> None:
    assert file_of(document(*rows), "http://dc.example/links", DID) == FILE


def test_a_document_with_columns_without_end_is_refused_rather_than_searched() -> None:
    body = document(*[f"{DID}|{FILE}|||#this|image/fits|"] * 2)
    wide = body.replace(b"<DATA>", b"<FIELD/>" * 194 + b"<DATA>")
    with pytest.raises(FetchError, match="201 columns") as refused:
        file_of(wide, "http://dc.example/links", DID)
    assert refused.value.failure.kind is FailureKind.NO_DATALINK
    assert file_of(wide.replace(b"<FIELD/>", b"", 1), "http://dc.example/links", DID) == FILE


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (document(f"{DID}|||NotFoundFault: no such thing|#this||"), FailureKind.NOT_FOUND, "no such thing"),
        (document(f"{DID}|||UsageFault: what?|#this||"), FailureKind.REFUSED_REQUEST, "what?"),
        (document(f"{DID}|||TransientFault: tape robot|||"), FailureKind.BUSY, "tape robot"),
        (document(f"{DID}|||FatalFault: burnt|#this||"), FailureKind.NO_DATALINK, "burnt"),
        (document(f"{DID}|||DefaultFault|#this||"), FailureKind.NO_DATALINK, "DefaultFault"),
        (error_votable("TransientFault: later"), FailureKind.BUSY, "later"),
        (error_votable("out of order"), FailureKind.NO_DATALINK, "out of order"),
        (document(f"{DID}|{FILE}||DefaultFault: both|#this|image/fits|"), FailureKind.NO_DATALINK, "both"),
        (document(f"{DID}|{FILE}|soda||#this|image/fits|"), FailureKind.NO_DATALINK, "no FITS file as #this"),
        (document(f"{DID}|{FILE}|||#this|text/csv|"), FailureKind.NO_DATALINK, "text/csv"),
        (document(f"{DID}|{FILE}|||#preview|image/fits|"), FailureKind.NO_DATALINK, "no #this"),
        (document(f"ivo://other|{FILE}|||#this|image/fits|"), FailureKind.NO_DATALINK, "no row about it"),
        (document(f"{DID}|{FILE}|||#this|image/fits|false"), FailureKind.FORBIDDEN, "may not have it"),
        (document(f"{DID}|{FILE}|||#this|image/fits|")[:-30], FailureKind.NO_DATALINK, "damaged"),
        (document() + b" " * (1 << 20), FailureKind.NO_DATALINK, "larger than"),
        (document(), FailureKind.NO_DATALINK, "no row about it"),
    ],
)
def test_why_there_is_no_file_is_reported_in_the_documents_words(body: bytes, kind: FailureKind, words: str) -> None:
    with pytest.raises(FetchError, match=words.replace("?", r"\?")) as caught:
        file_of(body, "http://dc.example/links", DID)
    assert caught.value.failure.kind is kind
    assert caught.value.url == "http://dc.example/links"


def test_a_document_that_was_requested_by_its_own_address_may_call_the_dataset_as_it_likes() -> None:
    assert file_of(document(f"ivo://eso.example/ID?1|{FILE}|||#this|image/fits|"), "http://dc.example/1") == FILE
    with pytest.raises(FetchError, match="about 2 datasets"):
        file_of(document(f"a|{FILE}|||#this||", f"b|{FILE}|||#this||"), "http://dc.example/1")


def test_the_demo_archives_document_leads_to_its_original() -> None:
    did = next(listed_dids(1))
    body = datalink_votable("http://dc.example", [did], lambda each: True)
    route = DatalinkAccess("http://dc.example/dlmeta?v=1", HOSTS)
    assert route.url(Target(did, "x")) == f"http://dc.example/dlmeta?v=1&ID={did}"
    onward = route.next_url(Target(did, "x"), Fetched(body, "http://dc.example/dlmeta"))
    assert onward is not None
    assert onward.startswith("http://dc.example/getproduct/ccd700/")
    for body in (b"SIMPLE  =", b"<html><h1>Maintenance</h1></html>"):  # the gates judge both
        assert route.next_url(Target(did, "x"), Fetched(body, "http://dc.example/dlmeta")) is None


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://dc.example/a b.fits", "http://dc.example/a%20b.fits"),
        ("https://DC.example:8080/a%20b?x=1&y=+", "https://DC.example:8080/a%20b?x=1&y=+"),
        ("http://dc.example/é", "http://dc.example/%C3%A9"),
    ],
)
def test_an_address_is_requested_as_it_was_reported(url: str, asked: str) -> None:
    assert check_url(url, HOSTS) == asked


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "has no access_url"),
        ("file:///etc/passwd", "that is not HTTP"),
        ("ftp://dc.example/f.fits", "that is not HTTP"),
        ("/getproduct/f.fits", "that is not HTTP"),
        ("http://169.254.169.254/latest", r"that is another host \(hosts in the archive's profile has dc.example\)"),
        ("http://dc.example.evil.example/", "that is another host"),
        ("http://dc.example@evil.example/", "that is another host"),
        ("http://me:secret@dc.example/f.fits", "that carries credentials"),
        ("http://dc.example:0/", "its address is not a valid URL"),
        ("http://[dc.example/", "its address is not a valid URL"),
    ],
)
def test_an_address_that_a_careful_client_does_not_ask_is_refused(url: str, words: str) -> None:
    with pytest.raises(FetchError, match=words) as caught:
        check_url(url, HOSTS)
    assert caught.value.failure.kind is FailureKind.NO_URL
    assert "secret" not in caught.value.failure.detail


@given(st.text(max_size=200) | st.text(max_size=200).map(lambda text: f"http://dc.example/{text}"))
def test_whatever_a_catalog_says_ends_in_an_address_or_in_words(text: str) -> None:
    asked, words = "", ""
    try:
        asked = check_url(text, HOSTS)
    except FetchError as error:
        words = error.failure.detail
    assert words.isprintable()
    assert words or (asked.isascii() and asked.startswith(("http://dc.example", "https://dc.example")))


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("http://dc.example/getproduct/{path}", "http://dc.example/getproduct/feros/data/f%2008751%2Bx.fits"),
        ("http://dc.example/{name}?a=1", "http://dc.example/f%2008751%2Bx.fits?a=1"),
        (
            "http://dc.example/?id={id}",
            "http://dc.example/?id=ivo%3A%2F%2Forg.gavo.dc%2F~%3Fferos%2Fdata%2Ff%2008751%2Bx.fits",
        ),
    ],
)
def test_a_template_is_filled_with_every_value_encoded_once(template: str, address: str) -> None:
    assert filled(template, DID) == address
    assert DirectAccess(template, HOSTS).url(Target(DID, "x", "http://dc.example/other")) == address


def test_a_path_needs_no_question_mark() -> None:
    assert (
        filled("http://x/{path}", SpectrumId("ivo://asu.cas.cz/stel/ccd700/sh270028"))
        == "http://x/stel/ccd700/sh270028"
    )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('mode = "soda"', "there is no endpoint"),
        ('mode = "direct"', "name those of its addresses"),
        ('mode = "datalink"', "name those of its addresses"),
        ('mode = "direct"\nendpoint = "http://dc.example/one.fits"', "leads to one file alone"),
    ],
)
def test_a_profile_that_leads_nowhere_is_reported_off(lines: str, words: str) -> None:
    Path("odd.toml").write_text(f'name = "odd"\ntitle = "odd"\n{lines}\n', encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        load({"archive": "odd.toml"})


PLAIN = 'name = "plain"\ntitle = "plain files"\nmode = "direct"\nhosts = ["dc.example"]\n'


@pytest.mark.parametrize("flags", [{"fluxcalib": "normalized"}, {"format": "text/csv"}, {"band": "6500 6600 AA"}])
def test_archives_that_process_nothing_are_requested_nothing(flags: dict[str, str]) -> None:
    Path("plain.toml").write_text(PLAIN, encoding="utf-8")
    settings = load({"archive": "plain.toml"}).settings
    assert (settings.fluxcalib, settings.format, settings.band) == (None, None, None)
    with pytest.raises(UsageError, match="serves its files as they are") as refused:
        load({"archive": "plain.toml", **flags})
    assert f"--{next(iter(flags))}" in str(refused.value)
