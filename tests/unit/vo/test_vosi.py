"""The tables of a TAP service, as its VOSI document lists them."""

from __future__ import annotations

import pytest

from harvester.vo.vosi import read_tables
from harvester.vo.votable_model import VotableError

TABLES = b"""<?xml version="1.0"?>
<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0">
 <schema><name>ivoa</name>
  <table type="table"><name>ivoa.ObsCore</name><utype>obscore</utype>
   <column><name>access_url</name><description>where & what</description><ucd>meta.ref.url</ucd>
    <utype>obscore:Access.Reference</utype><dataType xsi:type="vod:VOTableType" arraysize="*">char</dataType></column>
   <column std="true"><name>access_estsize</name><unit>kbyte</unit><dataType>long</dataType></column>
  </table>
  <table><name>other</name><column><name>ra</name></column></table>
 </schema>
</vosi:tableset>"""


def test_tables_and_columns_are_read_in_pieces_and_with_faults() -> None:
    tables = read_tables([TABLES[:100], TABLES[100:]])
    assert list(tables) == ["ivoa.ObsCore", "ivoa.other"]
    first, second = tables["ivoa.ObsCore"].fields
    assert (first.name, first.ucd, first.utype, first.datatype) == (
        "access_url",
        "meta.ref.url",
        "obscore:Access.Reference",
        "char",
    )
    assert second.unit == "kbyte"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"<html><body>no</body></html>", "not a list of tables"),
        (TABLES[:200], "damaged in line"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><tableset/>', "DOCTYPE"),
    ],
)
def test_what_is_no_list_of_tables_is_refused(document: bytes, words: str) -> None:
    with pytest.raises(VotableError, match=words):
        read_tables([document])
