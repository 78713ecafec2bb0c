"""A catalog's columns keep their values and get the narrowest type that holds them all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.dataset.catalog_columns import CatalogColumn, ColumnTypes, Kind
from harvester.dataset.schema import NAMES


def columns_of(*rows: dict[str, str], taken: frozenset[str] = frozenset()) -> tuple[CatalogColumn, ...]:
    types = ColumnTypes()
    for row in rows:
        types.add(row)
    return types.columns(taken)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["0", "3", "", "-12"], Kind.INTEGER),
        (["5853498713190525696"], Kind.INTEGER),
        (["0", "1.5", "-2e-3"], Kind.NUMBER),
        (["0", "absorption"], Kind.TEXT),
        (["007"], Kind.TEXT),
        (["99999999999999999999"], Kind.TEXT),
        (["1e999"], Kind.TEXT),
        (["1e-999", "0.5"], Kind.TEXT),
        (["5853498713190525697", "0.5"], Kind.TEXT),
        (["0.5", "5853498713190525697"], Kind.TEXT),
        (["0.5", "5853498713190525697.0"], Kind.TEXT),
        (["9007199254740992", "0.0", "0e-5"], Kind.NUMBER),
        (["nan"], Kind.TEXT),
        (["", ""], Kind.TEXT),
        (["٣"], Kind.TEXT),
    ],
)
def test_a_columns_kind_is_that_of_all_its_values(values: list[str], kind: Kind) -> None:
    (column,) = columns_of(*({"label": value} for value in values))
    assert column.kind is kind


@given(st.lists(st.one_of(st.text(), st.integers().map(str), st.floats().map(repr)), min_size=1))
def test_no_value_is_lost_or_made_another(values: list[str]) -> None:
    rows = [{"x": value} for value in values]
    (column,) = columns_of(*rows)
    for row in rows:
        value = column.value(row)
        if not row["x"]:
            assert value is None
        elif column.kind is Kind.TEXT:
            assert value == row["x"]
        else:
            assert isinstance(value, (int, float))
            assert math.isclose(float(value), float(row["x"]), rel_tol=1e-15)


def test_a_name_that_is_ours_gets_a_prefix_and_never_meets_another() -> None:
    row = {"ra": "1", "catalog_ra": "2", "label": "3", "": "4"}
    columns = columns_of(row, taken=NAMES)
    assert [column.name for column in columns] == ["catalog_ra", "catalog_catalog_ra", "label", "unnamed"]
    assert [column.value(row) for column in columns] == [1, 2, 3, 4]


def test_a_row_that_lacks_a_column_has_no_value_there() -> None:
    columns = columns_of({"a": "1"}, {"b": "x"})
    assert [column.value({"b": "x"}) for column in columns] == [None, "x"]


def test_large_integers_among_blanks_are_text_since_readers_would_round_them() -> None:
    """pandas and astropy read an integer column with a blank as float64, which ends at 2**53."""
    gaia = {"gaia": "5853498713190525697"}
    assert columns_of(gaia)[0].kind is Kind.INTEGER
    assert columns_of(gaia, {"gaia": ""})[0].value(gaia) == "5853498713190525697"
    assert columns_of({"n": "12"}, {"n": ""})[0].kind is Kind.INTEGER
    assert [column.blank for column in columns_of({"a": "", "b": "1"})] == [True, False]
