"""Rows of a list, kept until all have come."""

from __future__ import annotations

from harvester.discovery.spool import ListingSpool
from harvester.vo.identity import RowIdentity
from harvester.vo.listing import ListedRow


def row(dataset: str, address: str = "http://a.example/x", media: str = "application/fits") -> ListedRow:
    return ListedRow(RowIdentity(dataset, address, media), ["a", address], is_wanted=True)


def test_rows_come_back_by_dataset_in_their_order() -> None:
    rows = [row("ivo://a/2", "http://a/2"), row("ivo://a/1"), row("", "http://b/3"), row("ivo://a/2", "http://a/2b")]
    with ListingSpool() as spool:
        assert [spool.add(each) for each in rows] == [False, False, False, True]
        assert list(spool.by_dataset()) == [[rows[0], rows[3]], [rows[1]], [rows[2]]]
        assert (spool.rows, spool.datasets, spool.wanted_datasets, spool.repeated) == (4, 3, 3, 0)


def test_a_row_that_comes_twice_is_kept_once_and_counted() -> None:
    with ListingSpool() as spool:
        spool.add(row("ivo://a/1"))
        spool.add(row("ivo://a/1"))
        assert list(spool.by_dataset()) == [[row("ivo://a/1")]]
        assert spool.repeated == 1


def test_rows_that_no_part_has_are_counted() -> None:
    with ListingSpool() as spool:
        for number in range(3):
            spool.add(row(f"ivo://a/{number}"))
        spool.begin_parts()
        for number in (2, 1, 7):
            spool.add(row(f"ivo://a/{number}"))
        assert (spool.missing_in_parts, spool.datasets, spool.repeated) == (1, 4, 2)


def test_a_cleared_list_begins_again() -> None:
    with ListingSpool() as spool:
        spool.add(row("ivo://a/1"))
        spool.clear()
        assert (spool.rows, spool.datasets, list(spool.by_dataset())) == (0, 0, [])
        spool.add(row("ivo://a/1"))
        assert spool.datasets == 1
