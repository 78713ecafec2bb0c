"""Much in little memory: the same as lists and dicts to for every caller, and small where a catalog is not."""

from __future__ import annotations

import errno
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.catalog.columns import RECENT
from harvester.catalog.lazy_sequence import LazySequence
from harvester.catalog.packed_strings import (
    STRINGS_PER_BLOCK,
    UNWRITTEN_BYTES,
    PackedStrings,
    SpilledStrings,
    StringIndex,
    StringMap,
    ordered,
)
from harvester.catalog.reader import read_catalog
from harvester.errors import StoreError

NAMES = st.text("ab\u00e9\udcff", max_size=4)  # of files, which need not be text
QUICK = settings(max_examples=60)
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=30)

ENOUGH = 150  # megabytes for the plan of a million spectra
PLAN = """
import sys
from pathlib import Path
from harvester.cli import commands
commands.main(sys.argv[1:], prog_name="harvester", standalone_mode=False)
loaded = {"numpy", "aiohttp", "astropy", "rich"} & set(sys.modules)
assert not loaded, loaded
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


class Alike(str):
    """Texts whose hashes all meet."""

    __slots__ = ()

    def __hash__(self) -> int:
        return -1


ALIKE = st.lists(st.text("ab\u00e9\U0001f52d", max_size=6) | st.sampled_from(["a" * 300, "a" * 299 + "b"]), max_size=40)


@QUICK
@pytest.mark.parametrize("kind", [PackedStrings, SpilledStrings])
@given(texts=TEXTS | ALIKE, part=st.slices(30))
def test_packed_strings_are_a_list_of_their_texts(
    kind: type[PackedStrings[str]], texts: list[str], part: slice
) -> None:
    strings = kind(texts)
    assert list(strings) == texts
    assert [strings[number] for number in range(-len(texts), len(texts))] == texts + texts
    assert strings[part] == texts[part]
    with pytest.raises(IndexError):
        strings[len(texts)]


def test_strings_on_disk_keep_in_memory_only_what_waits_to_be_written() -> None:
    texts = [f"{number:0>{number % 900}}" for number in range(3 * UNWRITTEN_BYTES // 300)]
    strings = SpilledStrings(texts)
    assert list(strings) == texts
    assert [strings[-1 - number] for number in range(0, len(texts), STRINGS_PER_BLOCK + 1)] == texts[
        :: -STRINGS_PER_BLOCK - 1
    ]


def test_a_disk_without_room_for_strings_is_reported_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", refuse)
    with pytest.raises(StoreError, match="No space left on device; set TMPDIR to a folder with free space"):
        SpilledStrings(["x" * UNWRITTEN_BYTES])


@pytest.mark.slow
def test_a_hundred_thousand_identifiers_take_few_bytes_each() -> None:
    count = 100_000
    tracemalloc.start()
    try:
        strings = PackedStrings(
            f"ivo://asu.cas.cz/stel/ccd700/{number * 7919 % 999_983:012}" for number in range(count)
        )
        index = StringIndex(strings.__getitem__, count)
        for number, text in enumerate(strings):
            index.setdefault(text, number)
        spent, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert spent < 25 * count


@QUICK
@given(TEXTS, st.sampled_from([str, Alike]), st.integers(0, 40))
def test_an_index_numbers_texts_as_a_dict_would(texts: list[str], kind: type[str], expected: int) -> None:
    index = StringIndex(texts.__getitem__, expected)
    known: dict[str, int] = {}
    for number, text in enumerate(texts):
        assert index.get(kind(text)) == known.get(text)
        assert index.setdefault(kind(text), number) == known.setdefault(text, number)


def test_an_index_that_grows_forgets_nothing() -> None:
    texts = [f"n{number}" for number in range(5000)]
    index = StringIndex(texts.__getitem__)
    for _ in range(2):
        assert [index.setdefault(text, number) for number, text in enumerate(texts)] == list(range(5000))


@QUICK
@given(
    st.dictionaries(st.text("ab\u00e9\udcff", max_size=4), st.integers(0, 2**63)), st.text("ab\u00e9\udcff", max_size=4)
)
def test_a_register_is_a_dict_of_its_pairs(pairs: dict[str, int], other: str) -> None:
    register = StringMap(pairs.items())
    assert register == pairs
    assert list(register) == list(pairs)
    assert register.get(other) == pairs.get(other)


@QUICK
@given(st.lists(st.integers(0, 9), max_size=9), st.slices(9))
def test_a_selection_is_a_list_of_what_its_numbers_stand_for(numbers: list[int], part: slice) -> None:
    texts = list(map(str, numbers))
    selection = LazySequence(str, numbers)
    assert selection == texts
    assert [*selection[part]] == texts[part]
    assert selection + selection[part] == texts + texts[part]
    assert selection.where(lambda text: text > "4") == [text for text in texts if text > "4"]
    assert selection != [*texts, "more"]


def test_columns_that_differ_in_every_row_are_kept_all_the_same(tmp_path: Path) -> None:
    rows = 3 * RECENT
    wanted = tmp_path / "wanted.csv"
    wanted.write_text("ra,id\n" + "".join(f"{number % (2 * RECENT)},ivo://org/{number}\n" for number in range(rows)))
    columns = read_catalog(str(wanted)).columns
    assert list(columns) == [f'{{"ra": "{number % (2 * RECENT)}"}}' for number in range(rows)]
    assert columns[-2:] == [columns[rows - 2], columns[rows - 1]]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells its own peak memory on Linux only")
def test_a_million_spectra_are_planned_in_little_memory(tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.csv"
    rows = (f"ivo://asu.cas.cz/stel/ccd700/a{number:011},{number % 4}\n" for number in range(1_000_000))
    wanted.write_text("id,label\n" + "".join(rows))
    command = [sys.executable, "-c", PLAN, "plan", "--json", "--catalog", str(wanted), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    numbers, peak = done.stdout.splitlines()  # not ru_maxrss, which begins with the memory of the one who started us
    assert '"missing": 1000000' in numbers
    assert int(peak.split()[1]) < ENOUGH * 1024


@QUICK
@given(TEXTS, st.sampled_from([str, Alike]), st.integers(1, 3))
def test_a_quick_index_finds_what_a_careful_one_finds(texts: list[str], kind: type[str], step: int) -> None:
    wanted = {text: step * number for number, text in enumerate(dict.fromkeys(texts))}
    by_number = {number: text for text, number in wanted.items()}
    index = StringIndex(by_number.__getitem__, quick=True)
    for text, number in wanted.items():
        assert index.setdefault(text, number) == number
    for text, number in wanted.items():
        assert index.likely(text) == index.get(text) == number
    assert index.likely("ab" * 20) is None
    assert kind is not Alike or index.get(kind("ab" * 20)) is None


@QUICK
@given(TEXTS)
def test_texts_are_ordered_part_by_part_as_they_would_be_at_once(texts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harvester.catalog.packed_strings.SAMPLE_STEP", 2)
        patch.setattr("harvester.catalog.packed_strings.STRINGS_PER_SORT", 4)
        assert list(ordered(texts)) == sorted(texts)


def test_packed_strings_equal_any_sequence_of_their_texts() -> None:
    assert PackedStrings(["a", "b"]) == ["a", "b"]
    assert PackedStrings(["a", "b"]) != ["a", "c"]
    assert PackedStrings(["a", "b"]) != "ab"
