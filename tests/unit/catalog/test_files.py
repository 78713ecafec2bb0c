"""A catalog is whatever list a user has: recognised by content, read by the library of its format, and said."""

from __future__ import annotations

import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.catalog.files import recognise
from harvester.catalog.reader import Catalog, describe_conflicts, read_catalog
from harvester.catalog.rules import CatalogRules
from harvester.errors import UsageError

PREFIX = "ivo://asu.cas.cz/stel/ccd700/"
DIDS = [f"{PREFIX}sh27002{number}" for number in range(3)]
LABELS = [0, 3, 1]
RULES = CatalogRules(id_prefix=PREFIX)


def table() -> Table:
    return Table({"label": LABELS, "id": DIDS, "note": ["a", "b,c", 'd"e']})


def csv(delimiter: str = ",") -> bytes:
    rows = zip(DIDS, LABELS, strict=True)
    return "\n".join([f"id{delimiter}label", *(f"{did}{delimiter}{label}" for did, label in rows)]).encode()


def written(**how: str) -> bytes:
    file = io.BytesIO()
    table().write(file, **how)
    return file.getvalue()


def ecsv() -> bytes:
    file = io.StringIO()
    table().write(file, format="ascii.ecsv")
    return file.getvalue().encode()


def excel() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["id", "label", None])
    for did, label in zip(DIDS, LABELS, strict=True):
        sheet.append([did, float(label), None])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parquet() -> bytes:
    return bytes(pandas.DataFrame({"id": DIDS, "label": LABELS}).to_parquet())


KINDS: dict[str, Callable[[], bytes]] = {
    "": csv,
    "TSV": lambda: csv("\t"),
    "CSV with semicolons": lambda: b"\xef\xbb\xbf" + csv(";").replace(b"\n", b"\r\n"),
    "CSV with vertical bars": lambda: csv("|"),
    "ECSV": ecsv,
    "VOTable": lambda: written(format="votable"),
    "FITS table": lambda: written(format="fits"),
    "Excel workbook": excel,
    "Parquet": parquet,
}
UNPACKED = {"": "", "TSV": "TSV", "ECSV": "ECSV", "VOTable": "VOTable", "FITS table": "FITS table"}


def read(tmp_path: Path, content: bytes, rules: CatalogRules = RULES) -> Catalog:
    path = tmp_path / "wanted"  # a name says nothing
    path.write_bytes(content)
    return read_catalog(str(path), rules)


def refused(tmp_path: Path, content: bytes, rules: CatalogRules = RULES) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content, rules)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_recognised_by_content_and_read(tmp_path: Path, kind: str) -> None:
    catalog = read(tmp_path, KINDS[kind]())
    assert (catalog.kind, list(catalog.dids)) == (kind, DIDS)
    assert [json.loads(columns)["label"] for columns in catalog.columns] == ["0", "3", "1"]
    assert catalog.sha256 is not None
    assert (catalog.malformed, catalog.duplicates) == (0, 0)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("kind", UNPACKED)
def test_compressed_files_are_unpacked(tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]) -> None:
    catalog = read(tmp_path, pack(KINDS[kind]()))
    assert list(catalog.dids) == DIDS
    assert catalog.kind.startswith(kind)


@pytest.mark.parametrize(
    "lines",
    [
        DIDS,
        ["sh270020", "sh270021", "sh270022"],
        ["sh270020.fits", "spectra/sh270021.fits", "sh270022"],
        [DIDS[0], "", *DIDS[1:]],
    ],
)
def test_a_list_of_identifiers_needs_no_header(tmp_path: Path, lines: list[str]) -> None:
    catalog = read(tmp_path, "\n".join(lines).encode())
    assert (catalog.kind, list(catalog.dids)) == ("a list of identifiers", DIDS)


def test_bare_names_and_file_names_stand_for_dids_by_the_archive_s_prefix(tmp_path: Path) -> None:
    content = b"id,label\nsh270020,0\n/data/sh270021.fits,3\nC:\\spectra\\sh270022.FITS.gz,1\n"
    assert list(read(tmp_path, content).dids) == DIDS
    sentence = refused(tmp_path, content, CatalogRules())
    assert "3 rows have a fault:\n  line 2: id 'sh270020' is not a publisher DID" in sentence
    assert "(bare names need id_prefix in the archive's profile)" in sentence


@pytest.mark.parametrize("content", [b"name,label\nsh270020,0\n", b"star\nsh270020\n"])
def test_a_word_in_the_first_line_is_a_header_and_no_spectrum(tmp_path: Path, content: bytes) -> None:
    assert "line 1: no column 'id' among" in refused(tmp_path, content)


def test_the_column_with_dids_is_suggested_whatever_it_is_called(tmp_path: Path) -> None:
    content = f"star,obs_publisher_did,identity\nVega,{DIDS[0]},7\n".encode()
    assert "(did you mean --id-column 'obs_publisher_did'?)" in refused(tmp_path, content)


def test_all_faulty_rows_are_reported_at_once(tmp_path: Path) -> None:
    rows = [f"http://x/{number}" for number in range(25)]
    content = "\n".join(["id", DIDS[0], *rows, ""]).encode()
    sentence = refused(tmp_path, content)
    assert sentence.splitlines()[0].endswith(": 25 rows have a fault:")
    assert [line.split(":")[0] for line in sentence.splitlines()[1:-1]] == [f"  line {n}" for n in range(3, 13)]
    assert sentence.splitlines()[-1] == "  and 15 more (--verbose lists all)"
    every = refused(tmp_path, content, CatalogRules(all_faults=True))
    assert len(every.splitlines()) == 26
    assert every.splitlines()[-1].startswith("  line 27: ")


def test_a_table_counts_rows_and_not_lines(tmp_path: Path) -> None:
    file = io.BytesIO()
    Table({"id": [DIDS[0], "http://x"]}).write(file, format="fits")
    assert ", row 2: id 'http://x' is not a publisher DID" in refused(tmp_path, file.getvalue())


def test_masked_and_missing_values_are_empty(tmp_path: Path) -> None:
    masked = Table({"id": DIDS, "label": LABELS}, masked=True)
    masked["label"].mask = [True, False, False]
    file = io.BytesIO()
    masked.write(file, format="votable")
    assert json.loads(read(tmp_path, file.getvalue()).columns[0]) == {"label": ""}


@pytest.mark.parametrize("kind", ["FITS table", "VOTable", "ECSV", "Excel workbook", "Parquet"])
def test_what_only_begins_like_its_kind_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    content = KINDS[kind]()
    sentence = refused(tmp_path, content[: len(content) // 2])
    assert "\n" not in sentence
    assert sentence.startswith(f"catalog {tmp_path}")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_compressed_file_that_is_cut_short_leaves_no_spectrum_out_in_silence(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(csv() + b"\n" + b"\n".join(f"{PREFIX}z{n:05},1".encode() for n in range(5000)))
    assert "cannot be read" in refused(tmp_path, packed[:-20])
    assert "compressed twice" in refused(tmp_path, pack(pack(csv())))


def test_a_did_with_two_labels_is_a_doubt(tmp_path: Path) -> None:
    content = f"id,label\n{DIDS[0]},0\n{DIDS[1]},1\n{DIDS[0]},3\n{DIDS[1]},1\nsh270020.fits,3\n".encode()
    catalog = read(tmp_path, content)
    assert catalog.duplicates == 3
    assert [(each.did, each.kept, each.other) for each in catalog.conflicts] == [(DIDS[0], "0", "3")] * 2
    assert json.loads(catalog.columns[0]) == {"label": "0"}
    assert describe_conflicts(catalog.conflicts).startswith(
        f"1 spectrum is listed with different labels, the first one counts: {DIDS[0]} (0, then 3)"
    )
    assert describe_conflicts(()) == ""
    other = CatalogRules(label_column="class", id_prefix=PREFIX)
    assert not read(tmp_path, content, other).conflicts, "only the label's column has to agree"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(KINDS)), data=st.data())
def test_a_damaged_file_of_any_kind_is_read_or_refused_in_one_sentence(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(KINDS[kind]())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        catalog = read(tmp_path, bytes(content))
    except UsageError as error:
        sentence, catalog = str(error), None
    assert catalog.dids if catalog else all(line.isprintable() for line in sentence.split("\n"))


def test_what_is_no_table_is_text() -> None:
    assert recognise(b"id,label\n") is None
    assert recognise(b"") is None
    assert recognise(b"\xef\xbb\xbf<?xml version='1.0'?>") == "VOTable"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_unicode_text_of_excel_is_read(tmp_path: Path, encoding: str) -> None:
    text = csv("\t").decode().replace("\n", "\r\n")
    mark = "" if encoding == "utf-16" else "\ufeff"
    catalog = read(tmp_path, (mark + text).encode(encoding))
    assert (catalog.kind, list(catalog.dids)) == ("TSV", DIDS)
    assert list(read(tmp_path, gzip.compress((mark + text).encode(encoding))).dids) == DIDS


def test_the_line_that_names_the_delimiter_is_none_of_the_rows(tmp_path: Path) -> None:
    catalog = read(tmp_path, b"\xef\xbb\xbfsep=;\r\n" + csv(";"))
    assert (catalog.kind, list(catalog.dids)) == ("CSV with semicolons", DIDS)
    assert "line 3: id 'x' is no" in refused(tmp_path, b"sep=,\nid,label\nx,1\n", CatalogRules())


def test_a_header_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    sentence = refused(tmp_path, "\n".join(f"{did};0" for did in DIDS).encode())
    assert sentence.endswith("that is a spectrum and no header: put a line such as 'id;label' above it")


def test_rows_with_another_delimiter_than_the_header_are_no_identifiers(tmp_path: Path) -> None:
    sentence = refused(tmp_path, f"id,label\n{DIDS[0]},0\n{DIDS[1]};1\n{DIDS[2]};2\n".encode())
    assert "2 rows have a fault:\n  line 3: it is separated by ';', the header by ','" in sentence


@pytest.mark.parametrize("number", ["0", "", "Vega"])
def test_a_column_id_of_something_else_leads_to_the_column_with_dids(tmp_path: Path, number: str) -> None:
    sentence = refused(tmp_path, f"id,did\n{number},{DIDS[0]}\n".encode())
    assert sentence.endswith(
        f"id '{number}' is not a publisher DID, but the column 'did' has them; name it with --id-column 'did'"
    )


def test_the_only_column_of_names_is_suggested(tmp_path: Path) -> None:
    assert "(did you mean --id-column 'spectrum'?)" in refused(tmp_path, b"spectrum,class\nsh270020,0\n")
    assert "did you mean" not in refused(tmp_path, b"a,b\nsh270020,sh270021\n")


def test_an_old_workbook_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert "it begins like Excel workbook before 2007" in refused(
        tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    )
    assert refused(tmp_path, b"PK\x03\x04 no zip").endswith("; save it as CSV")


def test_the_name_of_a_star_stands_for_no_spectrum(tmp_path: Path) -> None:
    sentence = refused(tmp_path, b"id,label\nHD 217476,0\nalp Lyr,1\n")
    assert "2 rows have a fault:\n  line 2: id 'HD 217476' is not a publisher DID" in sentence


@pytest.mark.parametrize("content", [csv(), csv(";"), "\n".join(DIDS).encode(), b"sep=,\n" + csv()])
def test_remarks_above_a_catalog_are_passed_over(tmp_path: Path, content: bytes) -> None:
    assert list(read(tmp_path, b"# spectra of 2012\n\n#\n" + content).dids) == DIDS
    faulty = content.replace(DIDS[1].encode(), b"http://x")
    at = 1 + b"\n".join([b"#", faulty]).split(b"http://x")[0].count(b"\n")
    assert f"line {at}: " in refused(tmp_path, b"#\n" + faulty)
