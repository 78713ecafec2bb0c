"""Columns are found by what they mean, however a service calls them."""

from __future__ import annotations

import pytest

from harvester.vo.columns import (
    ADDRESS,
    CREATOR_DID,
    MEDIA_TYPE,
    OBJECT,
    POINT,
    PUBLISHER_DID,
    RA,
    SIZE,
    TIME,
    ColumnMeaning,
    cell,
    column_index,
    constant,
    named_index,
)
from harvester.vo.votable_model import VotableField, VotableTable

OTHER = VotableField("other", utype="ssa:Something.Else", ucd="meta.note")


def table(**column: str) -> VotableTable:
    return VotableTable((OTHER, VotableField(**{"name": "c", **column})))


@pytest.mark.parametrize(
    ("meaning", "column"),
    [
        (ADDRESS, {"utype": "ssa:Access.Reference"}),
        (ADDRESS, {"utype": "Spectrum.Access.Reference"}),
        (ADDRESS, {"utype": "spec:Spectrum.Access.Reference"}),
        (ADDRESS, {"utype": "ssa.access.reference"}),
        (ADDRESS, {"utype": "Access.Reference"}),
        (ADDRESS, {"name": "ACCESS_URL"}),
        (ADDRESS, {"ucd": "meta.ref.url"}),
        (ADDRESS, {"ucd": "META.REF.URL;meta.main"}),
        (ADDRESS, {"name": "AcRef"}),
        (PUBLISHER_DID, {"utype": "ssa:Curation.PublisherDID"}),
        (PUBLISHER_DID, {"name": "obs_publisher_did"}),
        (PUBLISHER_DID, {"ucd": "meta.ref.url;meta.curation"}),
        (CREATOR_DID, {"utype": "ssa:DataID.CreatorDID"}),
        (MEDIA_TYPE, {"ucd": "meta.code.mime"}),
        (MEDIA_TYPE, {"name": "Format"}),
        (SIZE, {"utype": "obscore:Access.Size"}),
        (RA, {"ucd": "pos.eq.ra;meta.main"}),
        (RA, {"utype": "obscore:Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1"}),
        (POINT, {"ucd": "pos.eq"}),
        (TIME, {"name": "TIME"}),
        (OBJECT, {"name": "x", "id": "TargetName"}),
    ],
)
def test_a_column_is_found_by_utype_name_or_ucd(meaning: ColumnMeaning, column: dict[str, str]) -> None:
    assert column_index(table(**column), meaning) == 1


@pytest.mark.parametrize(
    ("meaning", "column"),
    [
        (ADDRESS, {"name": "preview_url", "ucd": "meta.ref.url"}),
        (ADDRESS, {"ucd": "meta.ref.url;meta.curation"}),
        (RA, {"name": "e_ra", "ucd": "stat.error;pos.eq.ra"}),
        (OBJECT, {"utype": "ssa:Target.Name.Other"}),
    ],
)
def test_a_column_of_another_meaning_is_not_taken(meaning: ColumnMeaning, column: dict[str, str]) -> None:
    assert column_index(table(**column), meaning) is None


def test_a_utype_decides_before_a_name_and_a_name_before_a_ucd() -> None:
    fields = (
        VotableField("url", ucd="meta.note"),
        VotableField("link", ucd="meta.ref.url"),
        VotableField("access_url"),
        VotableField("there", utype="ssa:Access.Reference"),
    )
    assert [column_index(VotableTable(fields[:count]), ADDRESS) for count in (1, 2, 3, 4)] == [0, 1, 2, 3]


def test_a_constant_stands_for_a_column() -> None:
    one = VotableField("mime", utype="ssa:Access.Format", value="application/fits")
    assert constant(VotableTable((OTHER,), (one,)), MEDIA_TYPE) == one
    assert constant(VotableTable((OTHER,)), MEDIA_TYPE) is None


def test_a_named_column_is_found_exactly_else_in_any_case() -> None:
    columns = VotableTable((VotableField("obsid"), VotableField("ObsID"), VotableField("x", id="URL")))
    assert [named_index(columns, name) for name in ("ObsID", "OBSID", "url", "none")] == [1, 0, 2, None]


def test_a_cell_behind_the_end_of_a_row_is_empty() -> None:
    assert (cell((" a ", "b"), 0), cell(("a",), 3), cell(("a",), None)) == ("a", "", "")
