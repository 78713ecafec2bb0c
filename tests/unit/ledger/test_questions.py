"""The ledger answers without reading more rows than the answer has."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from harvester.ledger import queries
from harvester.ledger.schema import LOST_ROWS, open_for_reading, open_for_writing

ROWS = [
    ("kept", "saved", "aa"),
    ("gone", "wanted", "bb"),
    ("never there", "wanted", None),
    ("also gone", "failed", "cc"),
]
INSERT = "INSERT INTO entry(did, name, folded, status, sha256) VALUES(?1, ?1, ?1, ?2, ?3)"


def test_lost_spectra_are_those_that_have_a_digest_and_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(open_for_writing(path)) as ledger:
        ledger.executemany(INSERT, ROWS)
        assert queries.lost(path) == [("also gone", "also gone"), ("gone", "gone")]
        ledger.execute("DROP INDEX entry_lost")  # as a ledger of before the index
    assert queries.lost(path) == [("also gone", "also gone"), ("gone", "gone")]
    open_for_writing(path).close()
    reader = open_for_reading(path)
    assert reader is not None
    with closing(reader):
        plan = reader.execute(f"EXPLAIN QUERY PLAN SELECT did, name FROM entry WHERE {LOST_ROWS}").fetchall()
    assert ["entry_lost" in row["detail"] for row in plan] == [True], "the next run makes the index"


def test_stored_spectra_come_one_by_one_in_the_order_of_the_index_on_names(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(open_for_writing(path)) as ledger:
        named = [(name, name.casefold()) for name in ("b1", "C1", "A1")]
        ledger.executemany("INSERT INTO entry(did, name, folded, status) VALUES(?1, ?1, ?2, 'saved')", named)
    assert [row["name"] for row in queries.stored(path)] == ["A1", "b1", "C1"]


def test_the_latest_run_is_the_one_that_began_last_whatever_the_clock_was(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(open_for_writing(path)) as ledger:
        run = "INSERT INTO run(run, started, ended, pid, host, version, archive) VALUES(?, ?, ?, 1, 'h', '0', 'demo')"
        ledger.executemany(run, [("ahead-of-time", 2e9, 2e9 + 60.0), ("after-the-clock-was-set", 1.9e9, None)])
    last = queries.last_run(path)
    assert last is not None
    assert (last.run, last.ended) == ("after-the-clock-was-set", None)
    assert [run.run for run in queries.runs(path)] == ["after-the-clock-was-set", "ahead-of-time"]
