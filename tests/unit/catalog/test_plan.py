"""The plan: wanted minus stored, to the last file."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.catalog.names import slug_name
from harvester.catalog.plan import FITS_BLOCK, HarvestPlan, LedgerEntries, LedgerEntry, is_suspect, make_plan
from harvester.catalog.reader import Catalog, read_catalog
from harvester.cli import commands
from harvester.model.target import SpectrumId, Target
from tests.support.catalogs import assign_names
from tests.support.paths import SHARED

GENUINE = SHARED / "real/ondrejov-dataset.csv"


def did(path: str) -> SpectrumId:
    return SpectrumId(f"ivo://org/{path}")


def catalog(*paths: str, duplicates: int = 0, blank: int = 0, malformed: int = 0) -> Catalog:
    return Catalog("a list", list(map(did, paths)), ["{}"] * len(paths), duplicates, blank, malformed)


def settled(
    listed: Catalog, stored: Mapping[str, int], receipts: Mapping[str, LedgerEntry] | None = None
) -> HarvestPlan:
    """The plan once files that no ledger vouches for were read and found sound."""
    return make_plan(listed, stored, receipts).verified(stored)


def names(targets: object) -> list[str]:
    assert isinstance(targets, Sequence)
    return [target.name for target in targets]


def test_what_is_stored_is_not_requested_again() -> None:
    plan = settled(catalog("a", "b", "c"), {"b": 2880})
    assert names(plan.present) == ["b"]
    assert names(plan.wanted) == ["a", "c"]


def test_an_empty_store_lacks_everything_in_the_order_of_the_catalog() -> None:
    assert settled(catalog("c", "a", "b"), {}).wanted == tuple(Target(did(name), name) for name in "cab")


@pytest.mark.parametrize(
    ("size", "suspect"), [(0, True), (1, True), (2879, True), (2880, False), (2881, True), (37_440, False)]
)
def test_a_file_is_suspect_unless_it_is_whole_fits_blocks(size: int, suspect: bool) -> None:
    assert is_suspect(size) is suspect
    plan = settled(catalog("a"), {"a": size})
    assert (names(plan.suspect), names(plan.present)) == ((["a"], []) if suspect else ([], ["a"]))


def test_votables_have_any_size_and_are_present_by_that_of_the_ledger() -> None:
    listed, stored = ("a", "b", "c", "d", "e"), {"a": 1001, "b": 1002, "c": 2880, "d": 0, "e": 1003}
    held = {name: LedgerEntry(did(name), size) for name, size in {"a": 1001, "b": 1001, "c": 2880, "d": 7}.items()}
    plan = make_plan(catalog(*listed), stored, held, votables={"a", "b", "d", "e"})
    assert (names(plan.present), names(plan.unverified), names(plan.suspect)) == (["a", "c"], ["b", "e"], ["d"])


def test_suspect_files_are_fetched_first() -> None:
    assert names(settled(catalog("a", "b"), {"b": 17}).wanted) == ["b", "a"]


def test_files_that_no_one_listed_are_strays_and_left_alone() -> None:
    plan = settled(catalog("a"), {"z": 2880, "a": 2880, "Y": 1})
    assert plan.strays == ["Y", "z"]
    assert names(plan.wanted) == []


def test_the_counts_are_those_that_the_command_line_promises() -> None:
    listed = catalog("a", "b", "x/c", "y/c", "d", duplicates=3, blank=1, malformed=2)
    assert settled(listed, {"a": 2880, "b": 5, "old": 2880}).counts() == {
        "listed": 5, "present": 1, "missing": 3, "suspect": 1, "malformed": 2, "duplicates": 3, "collisions": 2,
        "strays": 1, "blank": 1, "conflicts": 0,
    }  # fmt: skip


def test_an_address_in_the_catalog_goes_with_its_spectrum(tmp_path: Path) -> None:
    file = tmp_path / "addressed.csv"
    file.write_text("access_url,id,label\nhttp://x/1,ivo://o/a,0\n,ivo://o/b,1\n", encoding="utf-8")
    plan = make_plan(read_catalog(str(file)), {})
    assert [(target.name, target.address) for target in plan.wanted] == [("a", "http://x/1"), ("b", "")]


def test_a_file_that_belongs_to_another_spectrum_does_not_count_as_this_one() -> None:
    plan = settled(catalog("ccd400/x"), {"x": 2880}, {"x": LedgerEntry(did("ccd700/x"), 2880)})
    assert names(plan.missing) == [slug_name(did("ccd400/x"))]
    assert plan.strays == ["x"]


def test_a_stored_spectrum_keeps_its_name_when_one_like_it_is_listed_too() -> None:
    plan = settled(catalog("ccd400/x", "ccd700/x"), {"x": 2880}, {"x": LedgerEntry(did("ccd700/x"), 2880)})
    assert plan.present == [Target(did("ccd700/x"), "x")]
    assert names(plan.missing) == [slug_name(did("ccd400/x"))]


def test_a_spectrum_stored_under_a_slug_is_found_there_when_its_like_is_listed_no_more() -> None:
    slug = slug_name(did("ccd700/x"))
    plan = settled(catalog("ccd700/x"), {slug: 2880}, {slug.casefold(): LedgerEntry(did("ccd700/x"), 2880)})
    assert names(plan.present) == [slug]
    assert plan.wanted == ()


@pytest.mark.slow
def test_receipts_of_much_take_little_and_tell_the_same() -> None:
    count = 50_000
    tracemalloc.start()
    try:
        held = LedgerEntries((f"x{n:08}", did(f"ccd700/x{n:08}"), FITS_BLOCK if n % 3 else None) for n in range(count))
        spent, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert spent < 60 * count
    assert (len(held), held["x00000003"], held.get("x")) == (count, LedgerEntry(did("ccd700/x00000003"), None), None)
    assert held["x00049999"] == LedgerEntry(did("ccd700/x00049999"), FITS_BLOCK)


PATHS = st.lists(st.sampled_from(["a", "b", "x/c", "y/c", "x/C", "é", "..", "z/d", "e"]), unique=True)
SIZES = st.sampled_from([0, 1, FITS_BLOCK, 3 * FITS_BLOCK, FITS_BLOCK + 1])


@settings(max_examples=60)
@given(PATHS, st.dictionaries(st.sampled_from(["a", "b", "c", "e", "q", "zz"]), SIZES))
def test_every_listed_spectrum_is_in_exactly_one_place_and_every_file_accounted_for(
    paths: list[str], stored: dict[str, int]
) -> None:
    plan = settled(catalog(*paths), stored)
    everywhere = [*plan.present, *plan.missing, *plan.suspect]
    assert sorted(target.did for target in everywhere) == sorted(map(did, paths))
    assert plan.listed == len(paths) == len(plan.present) + len(plan.wanted)
    assert {*names(plan.present), *names(plan.suspect), *plan.strays} == set(stored)
    assert not set(names(plan.missing)) & set(stored)
    assert not {target.name for target in [*plan.present, *plan.suspect]} & set(plan.strays)


@settings(max_examples=30)
@given(PATHS)
def test_once_everything_is_stored_nothing_is_wanted_and_nothing_stray(paths: list[str]) -> None:
    first = settled(catalog(*paths), {})
    stored = {target.name: FITS_BLOCK for target in first.wanted}
    receipts = {target.name.casefold(): LedgerEntry(target.did, FITS_BLOCK) for target in first.wanted}
    unknown = settled(catalog(*paths), stored)
    for plan in (unknown, settled(catalog(*paths), stored, receipts)):
        assert (list(plan.wanted), plan.strays, plan.listed) == ([], [], len(paths))


@pytest.mark.skipif(not GENUINE.exists(), reason="the genuine catalog is not beside this repository")
def test_the_genuine_plan_has_13334_spectra_and_no_collision() -> None:
    plan = settled(read_catalog(str(GENUINE)), {"uc050029": 37_440})
    assert (plan.listed, len(plan.present), len(plan.missing), plan.collisions) == (13_334, 1, 13_333, 0)


@pytest.mark.parametrize(
    ("rate", "words"), [("0", "30 s at 10 per second, as --rate 0 sets no limit"), ("2", "at 2 per second")]
)
def test_it_says_at_which_pace_it_reckons(rate: str, words: str) -> None:
    shown = CliRunner().invoke(commands, ["plan", "--archive", "demo", "--rate", rate], standalone_mode=False)
    assert any(line.endswith(words) for line in shown.stdout.splitlines())


SEGMENTS = st.sampled_from(["abcde1", "ABCDE1", "abcde2", "Vega55", "x y", "abcde3.fits", "c"])
WHOSE = st.tuples(st.sampled_from(["one", "two", "Three"]), SEGMENTS).map("/".join)


@settings(max_examples=100)
@given(
    st.lists(WHOSE, unique=True, max_size=8),
    st.lists(WHOSE, unique=True, max_size=8),
    st.dictionaries(st.sampled_from(["abcde1", "ABCDE1", "abcde2", "Vega55", "vega55", "abcde3", "K"]), SIZES),
    st.data(),
)
def test_a_plan_is_what_names_sizes_and_receipts_tell_one_by_one(
    listed: list[str], earlier: list[str], stray: dict[str, int], data: st.DataObject
) -> None:
    before = assign_names([did(path) for path in earlier])
    sizes = {before.of(did(path)): data.draw(SIZES) for path in earlier}
    verified = {path: data.draw(st.sampled_from([FITS_BLOCK, 3 * FITS_BLOCK, None])) for path in earlier}
    receipts = {before.of(did(path)).casefold(): LedgerEntry(did(path), verified[path]) for path in earlier}
    stored = {**stray, **sizes}
    plan = make_plan(catalog(*listed), stored, receipts)
    owners = {name: receipt.did for name, receipt in receipts.items()}
    now = assign_names([did(path) for path in listed], owners)
    for path in listed:
        name = now.of(did(path))
        size, receipt = stored.get(name), receipts.get(name.casefold())
        if size is None:
            where = plan.missing
        elif is_suspect(size):
            where = plan.suspect
        else:
            where = plan.present if receipt is not None and receipt.size == size else plan.unverified
        assert Target(did(path), name) in list(where)
    assert plan.strays == sorted(set(stored) - {now.of(did(path)) for path in listed})


def test_more_beginnings_than_a_byte_can_number_are_reported_apart_all_the_same() -> None:
    paths = [f"field{number}/star{number}" for number in range(600)]
    receipts = {f"star{number}": LedgerEntry(did(f"field{number}/star{number}"), FITS_BLOCK) for number in range(600)}
    receipts["star599"] = LedgerEntry(did("field0/star599"), FITS_BLOCK)
    plan = make_plan(catalog(*paths), {f"star{number}": FITS_BLOCK for number in range(600)}, receipts)
    assert (len(plan.present), names(plan.missing)) == (599, [slug_name(did("field599/star599"))])
