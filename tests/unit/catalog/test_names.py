"""Identifiers are taken to the letter; names are safe everywhere and never two spectra's."""

from __future__ import annotations

import csv
import re
from pathlib import PurePosixPath, PureWindowsPath
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harvester.catalog.names import Names, plain_name, slug_name
from harvester.model.target import LONGEST_DID, SpectrumId, Target, parse_did
from tests.support.catalogs import assign_names
from tests.support.paths import SHARED

GENUINE = SHARED / "real/ondrejov-dataset.csv"

WINDOWS_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?")
FORBIDDEN_ON_WINDOWS = set('<>:"/\\|?*')


def did(text: str) -> SpectrumId:
    return SpectrumId(text)


def ids(*segments: str) -> list[SpectrumId]:
    return [did(f"ivo://org.example/{segment}") for segment in segments]


WILD = settings(  # few texts are DIDs
    max_examples=40, suppress_health_check=[HealthCheck.filter_too_much]
)

TRICKY = st.sampled_from([
    "x", "X", "a/x", "b/X", "con", "CON.x", "aux", "..", ".", ".x", "x.", "x ", "-x", "a b", "a%20b", "a+b", "ü",
    "straße", "STRASSE", "ﬁ", "fi", "x-deadbeef", "x-DEADBEEF", "a/../../etc/passwd", "a\\b", "K", "\u212a", "x?y",
    "x#y", "x" * 300, "İ", "i̇", "x-" + "0" * 64, "lpt1.txt", "nul", "a/", "x/", "🔭",
])  # fmt: skip
LEGIBLE = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=12)
SEGMENTS = st.lists(TRICKY | LEGIBLE, min_size=1, max_size=3).map("/".join)


def parsed() -> st.SearchStrategy[SpectrumId]:
    texts = st.builds("ivo://{}/{}".format, st.sampled_from(["asu.cas.cz", "ORG.example"]), SEGMENTS)
    return texts.filter(lambda text: text.partition("//")[2].partition("/")[2].strip("/") != "").map(parse_did)


MANY = st.lists(parsed(), unique=True, max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "ivo://asu.cas.cz/stel/ccd700/sh270028",
        "IVO://ASU.cas.cz/Stel",
        "ivo://org/~?x=%20y+z#1",
        "ivo://org/hvězda 1",
        "ivo://org/" + "x" * (LONGEST_DID - 10),
    ],
)
def test_an_identifier_is_taken_as_it_is_to_the_letter(text: str) -> None:
    assert parse_did(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with ivo://"),
        ("sh270028", "begins with ivo://"),
        ("http://asu.cas.cz/stel", "begins with ivo://"),
        ("ivo:/asu.cas.cz/stel", "begins with ivo://"),
        (" ivo://asu.cas.cz/stel", "begins with ivo://"),
        ("ivo://", "an authority and a path"),
        ("ivo://asu.cas.cz", "an authority and a path"),
        ("ivo://asu.cas.cz/", "an authority and a path"),
        ("ivo://asu.cas.cz//", "an authority and a path"),
        ("ivo:///stel", "an authority and a path"),
        ("ivo://org/a\0b", "control character"),
        ("ivo://org/a\nb", "control character"),
        ("ivo://org/\x1b[2J", "control character"),
        ("ivo://org/\u202egnp", "control character"),
        ("ivo://org/\ud800", "control character"),
        ("ivo://org/" + "x" * LONGEST_DID, "longer than 1024"),
    ],
)
def test_what_cannot_be_an_identifier_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_did(text)


@WILD
@given(st.text(max_size=50) | st.text(max_size=30).map("ivo://".__add__))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        found = parse_did(text)
    except ValueError:
        return
    assert found == text
    assert found.isprintable()


def test_a_spectrum_is_named_by_its_last_segment_as_in_the_notebook() -> None:
    (one,) = ids("stel/ccd700/sh270028")
    assert assign_names([one]) == Names()
    assert Names().target(one) == Target(one, "sh270028")
    assert Names().target(one).file_name == "sh270028.fits"


@pytest.mark.parametrize(
    "segment",
    ["", ".", "..", ".hidden", "-rf", "x.", "x ", "a b", "a%20b", "a:b", "ü", "con", "CON", "nul.x", "com1", "LPT9.dat",
     "x" * 81, "a\\b", "x-deadbeef", "X-DEADBEEF", "x-0123456789"],
)  # fmt: skip
def test_a_segment_that_is_unsafe_somewhere_gives_way_to_a_slug(segment: str) -> None:
    (one,) = ids(f"stel/{segment}")
    assert plain_name(one) is None
    assert assign_names([one]).target(one).name == slug_name(one)
    assert re.fullmatch(r"[A-Za-z0-9_]+-[0-9a-f]{8}", slug_name(one))


def test_a_slug_is_legible_and_short() -> None:
    assert (
        slug_name(did("ivo://org/stel/ccd 700/hvězda.1"))
        == "stel_ccd_700_hv_zda_1-" + slug_name(did("ivo://org/stel/ccd 700/hvězda.1")).rpartition("-")[2]
    )
    assert slug_name(did("ivo://org/星")).startswith("spectrum-")
    assert len(slug_name(did("ivo://org/" + "x" * 1000))) == 60 + 1 + 8


@pytest.mark.parametrize("ending", [".fits", ".FITS", ".fit", ".fits.gz"])
def test_an_ending_that_a_path_has_of_its_own_counts_once(ending: str) -> None:
    one = did(f"ivo://org.gavo.dc/~?feros/data/f08751{ending}")
    assert assign_names([one]).target(one).file_name == "f08751.fits"
    same, other = assign_names([one, did("ivo://org.gavo.dc/f08751")]), assign_names([did("ivo://org/x/.fits")])
    assert same.target(one).name.startswith("feros_data_f08751_")
    assert same.collisions == 2
    assert other.target(did("ivo://org/x/.fits")).name == slug_name(did("ivo://org/x/.fits"))


def test_two_spectra_with_one_last_segment_are_both_named_by_their_path() -> None:
    one, two, other = ids("ccd700/x", "ccd400/x", "ccd700/y")
    names = assign_names([one, two, other])
    assert names.target(one).name.startswith("ccd700_x-")
    assert names.target(two).name.startswith("ccd400_x-")
    assert names.target(other).name == "y"
    assert names.collisions == 2


def test_segments_that_differ_only_in_case_count_as_one() -> None:
    upper, lower = ids("a/SH27", "b/sh27")
    names = assign_names([upper, lower])
    assert names.target(upper).name.casefold() != names.target(lower).name.casefold()
    assert names.collisions == 2


def test_unsafe_segments_are_no_collisions() -> None:
    assert assign_names(ids("a b", "ü")).collisions == 0


def test_slugs_that_meet_get_the_whole_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    real = slug_name
    monkeypatch.setattr(
        "harvester.catalog.names.slug_name", lambda one, digits=8: "x-00000000" if digits == 8 else real(one, digits)
    )
    one, two = ids("a b", "a  b")
    names = {assign_names([one, two]).target(each).name for each in (one, two)}
    assert len(names) == 2
    assert all(re.fullmatch(r"a_b-[0-9a-f]{64}", name) for name in names)


@WILD
@given(MANY)
@example(ids("K", "\u212a", "ﬁ", "fi", "straße", "STRASSE"))
def test_no_two_spectra_ever_share_a_name_on_any_file_system(dids: list[SpectrumId]) -> None:
    names = assign_names(dids)
    owner = {names.target(one).name.casefold(): one for one in dids}
    assert len(owner) == len(dids)
    assert {owner[names.target(one).name.casefold()] for one in dids} == set(dids)


@WILD
@given(MANY)
def test_every_name_is_safe_on_linux_macos_and_windows(dids: list[SpectrumId]) -> None:
    names = assign_names(dids)
    for one in dids:
        target = names.target(one)
        assert target.did == one
        for name in (target.name, target.file_name):
            assert name.isascii()
            assert name.isprintable()
            assert not FORBIDDEN_ON_WINDOWS & set(name)
            assert not WINDOWS_DEVICES.fullmatch(name)
            assert name[0] not in ".- "
            assert name[-1] not in ". "
            assert PurePosixPath("out", name).parent == PurePosixPath("out")
            assert PureWindowsPath("out", name).parent == PureWindowsPath("out")
            assert len(name) <= 160


@WILD
@given(MANY, st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order_of_the_catalog(dids: list[SpectrumId], chance: Random) -> None:
    shuffled = dids[:]
    chance.shuffle(shuffled)
    one, other = assign_names(dids), assign_names(shuffled)
    assert one == other
    assert [one.target(each) for each in dids] == [other.target(each) for each in dids]


@WILD
@given(MANY, st.lists(parsed(), unique=True, max_size=6), st.data())
def test_what_is_stored_keeps_its_name_whatever_the_next_catalog_lists(
    before: list[SpectrumId], more: list[SpectrumId], data: st.DataObject
) -> None:
    first = assign_names(before)
    taken = {first.target(one).name.casefold(): one for one in before}
    still = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
    now = list(dict.fromkeys([*more, *still]))
    second = assign_names(now, taken)
    for one in now:
        name = second.target(one).name
        assert taken.get(name.casefold(), one) == one, "a stored name passed to another spectrum"
        if one in before:
            assert name == first.target(one).name, "a stored spectrum lost its name"
    assert len({second.target(one).name.casefold() for one in now}) == len(now)


def test_a_newcomer_with_a_stored_last_segment_takes_the_slug_and_leaves_the_name() -> None:
    stored, newcomer = ids("ccd700/x", "ccd400/X")
    names = assign_names([newcomer, stored], {"x": stored})
    assert names.target(stored).name == "x"
    assert names.target(newcomer).name == slug_name(newcomer)
    assert names.collisions == 1


def test_a_stored_name_is_respected_even_where_its_spectrum_is_no_longer_listed() -> None:
    stored, newcomer = ids("ccd700/x", "ccd400/x")
    assert assign_names([newcomer], {"x": stored}).target(newcomer).name == slug_name(newcomer)


def test_a_stored_slug_is_kept_when_the_collision_that_caused_it_is_gone() -> None:
    one, _ = ids("ccd700/x", "ccd400/x")
    names = assign_names([one], {slug_name(one).casefold(): one})
    assert names.target(one).name == slug_name(one)
    assert names.collisions == 1


def test_a_slug_that_is_stored_for_another_gives_way_to_the_whole_digest() -> None:
    one, other = ids("a b", "y")
    assert assign_names([one], {slug_name(one).casefold(): other}).target(one).name == slug_name(one, 64)


@pytest.mark.skipif(not GENUINE.exists(), reason="the genuine catalog is not beside this repository")
def test_the_genuine_catalog_needs_no_slug_at_all() -> None:
    with GENUINE.open(newline="", encoding="utf-8") as file:
        dids = [parse_did(row["id"]) for row in csv.DictReader(file)]
    assert len(set(dids)) == 13_334
    assert assign_names(dids) == Names({}, 0)
