"""The tolerant reader: what genuine services answer, what hostile ones might, and astropy as the referee."""

from __future__ import annotations

import base64
import io
import math
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest
from astropy.io import votable as astropy_votable
from hypothesis import given
from hypothesis import strategies as st

from harvester.demo import listed_dids
from harvester.demo.ssap import answer_query
from harvester.demo.votables import datalink_votable
from harvester.vo.votable import VotableReader, read_votable
from harvester.vo.votable_model import Event, Info, ServiceDescriptor, VotableError, VotableTable
from tests.support.paths import SHARED

RECORDED = SHARED / "real/ssap"
DEMO = b"".join(answer_query([("REQUEST", "queryData")], listed_dids(5), "http://demo.example"))
HEAD = b'<VOTABLE version="1.4"><RESOURCE type="results">'
END = b"</RESOURCE></VOTABLE>"
FIELDS = b'<FIELD ID="a" name="first" datatype="char"/><FIELD name="second" datatype="TIMESTAMP" arraysize="m"/>'


def binary(about: str, rows: bytes) -> bytes:
    """A document with one column, and ``rows`` in BINARY."""
    stream = b'<BINARY><STREAM encoding="base64">' + base64.b64encode(rows) + b"</STREAM></BINARY>"
    field = f'<FIELD name="a" {about}/>'.encode()
    return HEAD + b"<TABLE>" + field + b"<DATA>" + stream + b"</DATA></TABLE>" + END


def recorded(name: str) -> bytes:
    path = RECORDED / name
    if not path.exists():
        pytest.skip("the answers recorded from the genuine service are not here")
    return path.read_bytes()


def read(document: bytes, piece: int = 1 << 16) -> list[Event]:
    return list(read_votable(document[at : at + piece] for at in range(0, len(document), piece)))


def table_of(events: list[Event]) -> VotableTable:
    return next(event for event in events if isinstance(event, VotableTable))


def rows_of(events: list[Event]) -> list[tuple[str, ...]]:
    return [event for event in events if isinstance(event, tuple)]


@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20])
def test_pieces_of_any_size_say_the_same(piece: int) -> None:
    assert read(DEMO, piece) == read(DEMO)


def test_it_reads_what_astropy_reads() -> None:
    events = read(DEMO)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = astropy_votable.parse(io.BytesIO(DEMO)).get_first_table()
    assert [field.name for field in table_of(events).fields] == [field.name for field in theirs.fields]
    assert [(f.unit, f.ucd, f.utype) for f in table_of(events).fields] == [
        (str(field.unit or ""), field.ucd or "", field.utype or "") for field in theirs.fields
    ]
    ours = [row[table_of(events).index_of("ssa_pubDID") or 0] for row in rows_of(events)]
    assert ours == list(theirs.array["ssa_pubDID"])
    constants = {field.name: field.value for field in table_of(events).constants}
    assert constants == {param.name: param.value or "" for param in theirs.params}


def test_the_genuine_answer_of_2017_is_read_though_astropy_refuses_it() -> None:
    document = recorded("ccd700-query-2017.xml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception, match="arraysize"):
            astropy_votable.parse(io.BytesIO(document))
    events = read(document, 1000)
    assert len(rows_of(events)) == 30
    assert len(table_of(events).fields) == 41
    assert {len(row) for row in rows_of(events)} == {41}
    calibrated = [field for field in table_of(events).constants if field.role == "char.fluxaxis.calibration"]
    assert [field.value for field in calibrated] == ["UNCALIBRATED"]
    soda, links = (event for event in events if isinstance(event, ServiceDescriptor))
    assert soda.standard == "ivo://ivoa.net/std/SSDP#sync"
    assert [param.name for param in soda.inputs] == ["ID", "FLUXCALIB", "LAMBDA_MIN", "LAMBDA_MAX", "FORMAT"]
    assert links.access_url == "http://voarchive.asu.cas.cz/ccd700/q/sdl/dlmeta"


def test_the_genuine_error_is_words_in_a_200() -> None:
    [info] = read(recorded("ccd700-error-2017.xml"))
    assert info == Info("QUERY_STATUS", "ERROR", "Field REQUEST: Missing or invalid value for REQUEST.")


def test_namespaces_and_datatypes_do_not_matter() -> None:
    plain = HEAD + b"<TABLE>" + FIELDS + b"<DATA><TABLEDATA><TR><TD>1</TD><TD/></TR></TABLEDATA></DATA></TABLE>" + END
    prefixed = plain.replace(b"</", b"</v:").replace(b"<", b"<v:").replace(b"<v:/v:", b"</v:")
    assert read(prefixed) == read(plain)
    assert rows_of(read(plain)) == [("1", "")]
    assert table_of(read(plain)).index_of("a") == 0
    assert table_of(read(plain)).index_of("second") == 1, "some refer to names"
    assert table_of(read(plain)).index_of("third") is None


def test_a_status_behind_the_table_is_heard() -> None:
    tail = b'<INFO name="QUERY_STATUS" value="OVERFLOW"/><INFO name="QUERY_STATUS" value="ERROR">lost it</INFO>'
    document = HEAD + b"<TABLE>" + FIELDS + b"<DATA><TABLEDATA/></DATA></TABLE>" + tail + END
    assert read(document)[1:] == [Info("QUERY_STATUS", "OVERFLOW"), Info("QUERY_STATUS", "ERROR", "lost it")]


def test_a_link_is_a_reference_too() -> None:
    source = b'<PARAM name="ID" value=""><LINK content_role="ddl:id-source" value="#did"/></PARAM>'
    url = b'<PARAM name="accessURL" value="http://x.example/d"/>'
    [service] = read(HEAD + url + b'<GROUP name="inputParams">' + source + b"</GROUP>" + END)
    assert isinstance(service, ServiceDescriptor)
    assert [param.ref for param in service.inputs] == ["did"]


BOMB = b'<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">' + b"".join(
    b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 10) for name in b"cdefghi"
)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n", "it is not a VOTable"),
        (b"Sorry, down until Monday", "says: Sorry, down until Monday"),
        (b"<!DOCTYPE html><html><body>Go&nbsp;away</body></html>", "says: Go away"),
        (DEMO[:3000], "damaged in line 1"),
        (DEMO + b"\n\n\nXXXXXX Internal error in DaCHS software.\nTraceback", "damaged in line 4: junk after"),
        (BOMB + b"]><VOTABLE><INFO>&i;</INFO></VOTABLE>", "DOCTYPE has declarations"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><VOTABLE>&x;</VOTABLE>', "DOCTYPE has declarations"),
        (b'<?xml version="1.0" encoding="klingon"?><VOTABLE/>', "unknown encoding"),
        (b"<VOTABLE>" + b"<GROUP>" * 10_000, "nested too deeply"),
        (b"<VOTABLE><TABLE>" + b"<FIELD/>" * 10_000, "more columns"),
        (b"<VOTABLE><INFO>" + b"x" * 2_000_000, "longer than expected"),
        (b"<VOTABLE><!--" + b"x" * 9_000_000, "longer than expected"),
        (b'<VOTABLE><INFO name="' + b"x" * 9_000_000, "longer than expected"),
        (b"<VOTABLE>" + b"<INFO/>" * 10_001, "more tables, services and remarks"),
        (b"<VOTABLE>" + b"<TABLE/>" * 10_001, "more tables, services and remarks"),
        (HEAD + b"<TABLE>" + FIELDS + b"<DATA><FITS><STREAM>", "written as FITS, which is not read"),
        (HEAD + b"<TABLE>" + FIELDS + b'<DATA><BINARY2><STREAM encoding="gzip">', "in another encoding"),
        (HEAD + b"<TABLE>" + FIELDS + b'<DATA><BINARY2><STREAM href="x" encoding="base64">', "elsewhere"),
        (HEAD + b"<TABLE>" + FIELDS + b'<DATA><BINARY2><STREAM encoding="base64">', "'TIMESTAMP', which has no width"),
        (binary('datatype="char" arraysize="m"', b""), "arraysize 'm', which is not a width"),
        (binary(f'datatype="char" arraysize="{"9" * 5000}"', b""), "which is not a width"),
        (binary('datatype="char" arraysize="*"', b"\x7f\xff\xff\xff"), "longer than expected"),
        (binary('datatype="char" arraysize="*"', b"\xff\xff\xff\xff"), "longer than expected"),
        (binary('datatype="double"', b"\0\0\0"), "in the middle of one"),
        (binary('datatype="char" arraysize="0"', b"abc"), "no width"),
        (binary('datatype="char"', b"abc").replace(b"YWJj", b"YWJjY==="), "not base64|in the middle"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_clause(document: bytes, words: str) -> None:
    with pytest.raises(VotableError, match=words):
        read(document)


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=9)


@given(
    st.lists(
        st.tuples(TEXTS, st.integers(-(2**62), 2**62), st.integers(-30000, 30000), st.floats()), min_size=1, max_size=9
    ),
    st.sampled_from(["binary", "binary2"]),
    st.integers(1, 300),
)
def test_what_astropy_writes_in_binary_is_read(rows: list[tuple[str, int, int, float]], form: str, piece: int) -> None:
    file = astropy_votable.tree.VOTableFile()
    resource = astropy_votable.tree.Resource()
    table = astropy_votable.tree.TableElement(file)
    file.resources.append(resource)
    resource.tables.append(table)
    about = {"words": ("unicodeChar", "*"), "count": ("long", "1"), "few": ("short", "1"), "flux": ("double", "2")}
    for name, (datatype, arraysize) in about.items():
        table.fields.append(
            astropy_votable.tree.Field(file, name=name, ID=name, datatype=datatype, arraysize=arraysize)
        )
    table.create_arrays(len(rows))
    for place, (words, count, few, flux) in enumerate(rows):
        table.array[place] = (words, count, few, [flux, 0.5])
    written = io.BytesIO()
    file.to_xml(written, tabledata_format=form)
    for ours, (words, count, few, flux) in zip(rows_of(read(written.getvalue(), piece)), rows, strict=True):
        assert ours[:3] == (words, str(count), str(few))
        first, second = map(float, ours[3].split() or ("nan", "0.5"))  # BINARY2 flags a cell that is not a number
        assert first == flux or (math.isnan(first) and math.isnan(flux))
        assert second == 0.5


def test_an_old_doctype_without_declarations_is_harmless() -> None:
    document = (
        b'<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd"><VOTABLE><INFO name="a" value="b"/></VOTABLE>'
    )
    assert read(document) == [Info("a", "b")]


def test_there_is_a_largest_document() -> None:
    reader = VotableReader(100)
    with pytest.raises(VotableError, match="larger than"):
        reader.feed(b"<VOTABLE>" + b" " * 100)


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_noise_raises_nothing_but_its_own_error(noise: bytes, piece: int) -> None:
    with suppress(VotableError):
        read(noise, piece)


@given(st.data())
def test_damage_raises_nothing_but_its_own_error(data: st.DataObject) -> None:
    document = bytearray(datalink_votable("http://demo.example", list(listed_dids(1)), lambda did: True))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(document) - 1))
        document[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8) | st.sampled_from(TAGS))
    began = time.perf_counter()
    with suppress(VotableError):
        read(bytes(document), 512)
    assert time.perf_counter() - began < 5


TAGS = [
    b"<TABLE>",
    b"</TABLE>",
    b"<TR>",
    b"<TD>",
    b"</RESOURCE>",
    b"<PARAM name='ID'/>",
    b"<GROUP>",
    b"<!DOCTYPE a [",
    b"&x;",
]


def listing(rows: int) -> Iterator[bytes]:
    yield HEAD + b"<TABLE>" + FIELDS * 20 + b"<DATA><TABLEDATA>"
    row = b"<TR>" + b"<TD>ivo://asu.cas.cz/stel/ccd700/uc060085</TD>" * 40 + b"</TR>"
    for _ in range(rows // 100):
        yield row * 100
    yield b"</TABLEDATA></DATA></TABLE>" + END


@pytest.mark.slow
def test_65_000_rows_take_little_memory() -> None:
    tracemalloc.start()
    try:
        count = sum(isinstance(event, tuple) for event in read_votable(listing(65_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 65_000
    assert peak < 8 * 1024 * 1024
