"""The table: what a selection means, in any order, and what hostile queries do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.browse.index import VIEWS, SpectraIndex
from harvester.browse.selection import SORTS, Selection
from harvester.errors import StoreError
from harvester.ledger.overview import COLUMNS

ROWS = [
    ("ivo://x/a", "a", "Vega", "saved", None, None, 1, "1", 2048, 40_320, 6.2e-7, 6.7e-7, 10.0, None),
    ("ivo://x/b", "b", "59 Cyg", "present", None, None, 1, "0", 2048, 40_320, 6.2e-7, 6.7e-7, 20.0, '{"invalid": 3}'),
    ("ivo://x/c", "c", "100%_real", "failed", "not_found", "HTTP 404", 1, "3", None, None, None, None, None, None),
    ("ivo://x/d", "d", "", "wanted", None, None, 0, None, None, None, None, None, None, None),
]


@pytest.fixture
def index() -> Iterator[SpectraIndex]:
    made = SpectraIndex()
    made.add(ROWS)
    made.fill("mjd", [(56000.5, 1), (57000.0, 2)])
    made.fill("doubt", [(0.9, 1), (0.1, 2)])
    yield made
    made.close()


def names(index: SpectraIndex, **query: str) -> str:
    view = index.view(Selection.parse(query))
    return "".join(row["name"] for row in index.rows(view.numbers.tolist()))


def test_every_filter_selects_what_it_says(index: SpectraIndex) -> None:
    assert len(ROWS[0]) == len(COLUMNS)
    assert names(index) == "abcd"
    assert names(index, text="veg") == "a"
    assert names(index, text="ivo://x/b") == "b"
    assert names(index, text="100%_r") == "c", "no wildcard of the user's is one of SQL's"
    assert names(index, text="%") == "c"
    assert names(index, label="is:0") == "b"
    assert names(index, label="none") == "d"
    assert names(index, status="stored") == "ab"
    assert names(index, status="missing") == "cd"
    assert names(index, status="kind:not_found") == "c"
    assert names(index, doubtful="1") == "ab", "doubtful by its neighbours, or with a remark"
    assert names(index, since="2012-03-14", until="2012-03-14") == "a"
    assert names(index, since="2012-03-15") == "b"
    assert names(index, text="a", status="failed") == "c"


def test_unknown_values_come_last_in_every_order(index: SpectraIndex) -> None:
    assert names(index, sort="object") == "cbad"
    assert names(index, sort="object", descending="1") == "abcd"
    assert names(index, sort="time", descending="1") == "bacd"
    assert names(index, sort="doubt", descending="1") == "abcd"
    assert names(index, sort="number", descending="1") == "dcba"


def test_the_user_s_label_counts_before_the_catalog_s(index: SpectraIndex) -> None:
    index.fill_by_did("mine", [("3", "ivo://x/a")])
    assert names(index, label="is:3") == "ac"
    assert names(index, label="todo") == "b"
    assert names(index, label="mine") == "a"
    assert index.labels([1, 2, 3, 4]) == ["3", "0", "3", ""]
    assert index.catalog_labels() == {"ivo://x/a": "1", "ivo://x/b": "0", "ivo://x/c": "3"}


def test_a_row_keeps_its_number_when_the_ledger_changes(index: SpectraIndex) -> None:
    before = index.version
    index.add([("ivo://x/d", "d", "Mizar", "saved", *ROWS[0][4:])])
    assert index.row(4)["object"] == "Mizar"
    assert index.row(1)["mjd"] == 56000.5
    assert index.version > before
    assert index.counts()["status"] == {"saved": 2, "present": 1, "failed": 1}
    assert index.total() == 4


@pytest.mark.parametrize(
    "query",
    [{"sort": "number; DROP TABLE spectrum"}, {"label": "x"}, {"status": "' OR 1"}, {"since": "tomorrow"},
     {"until": "2012-02-30"}, {"sort": "did"}],
    ids=str,
)  # fmt: skip
def test_a_query_without_a_meaning_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"none of|Invalid isoformat|day is out of range"):
        Selection.parse(query)


ANY_TEXT = st.text(max_size=20) | st.sampled_from(["'", '"', "%", "\\", "is:'; --", "\x00", "Š"])


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.sampled_from(sorted(SORTS)), st.booleans())
@settings(max_examples=100)
def test_no_text_of_a_query_is_sql(text: str, label: str, kind: str, sort: str, descending: bool) -> None:
    index = SpectraIndex()
    index.add(ROWS)
    query = {
        "text": text,
        "label": f"is:{label}",
        "status": f"kind:{kind}",
        "sort": sort,
        "descending": str(int(descending)),
    }
    index.view(Selection.parse(query))
    assert index.total() == len(ROWS)
    index.close()


def test_only_the_latest_orders_are_kept(index: SpectraIndex) -> None:
    first = index.view(Selection())
    kept = [index.view(Selection()) for _ in range(VIEWS)]
    assert index.known_view(kept[0].key) is kept[0]
    with pytest.raises(KeyError):
        index.known_view(first.key)
    with pytest.raises(KeyError):
        index.row(99)
    assert index.number_of("ivo://x/c") == 3
    assert index.number_of("ivo://x/z") is None


def test_a_full_disk_is_one_sentence_and_leaves_the_table_usable(index: SpectraIndex) -> None:
    index._connection.execute("PRAGMA max_page_count = 3")
    many = [(f"ivo://x/{'y' * 900}/{number}", *ROWS[0][1:]) for number in range(200)]
    with pytest.raises(StoreError, match=r"temporary table cannot be kept .*; make room in /var/tmp"):
        index.add(many)
    assert names(index) == "abcd", "what could not be written whole is not there"
    index._connection.execute("PRAGMA max_page_count = 100000")
    index.add(many[:1])
    assert index.total() == len(ROWS) + 1


def test_stored_spectra_of_a_view_keep_its_order(index: SpectraIndex) -> None:
    view = index.view(Selection.parse({"sort": "name", "descending": "1"}))
    assert index.stored_dids(view.numbers.tolist()) == ["ivo://x/b", "ivo://x/a"], "the others are not stored"
