"""The catalog: forgiving in form, strict in content, and every complaint says where and what to do."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.catalog.from_python import catalog_from_python
from harvester.catalog.reader import Catalog, parse_catalog, read_catalog
from harvester.catalog.rules import CatalogRules
from harvester.errors import UsageError
from tests.support.paths import SHARED

WILD = settings(max_examples=100)

GENUINE = SHARED / "real/ondrejov-dataset.csv"

A, B, C = "ivo://org/a", "ivo://org/b", "ivo://org/c"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that tests write over and over."""
    return tmp_path_factory.mktemp("catalog") / "wanted.csv"


def read(place: Path, content: str | bytes, id_column: str = "id") -> Catalog:
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_catalog(str(place), CatalogRules(id_column))


def refused(place: Path, content: str | bytes, id_column: str = "id") -> str:
    with pytest.raises(UsageError) as caught:
        read(place, content, id_column)
    sentence = str(caught.value)
    assert sentence.startswith(f"catalog {place}")
    assert sentence.isprintable(), "one line, no control characters"
    return sentence.removeprefix(f"catalog {place}")


def dids(catalog: Catalog) -> list[str]:
    return [row.did for row in catalog.rows]


@pytest.mark.parametrize(
    "content",
    [
        f"id,label\n{A},1\n{B},2\n",
        f"id,label\n{A},1\n{B},2",
        f"id,label\r\n{A},1\r\n{B},2\r\n",
        f"id,label\r{A},1\r{B},2\r",
        f"\ufeffid,label\n{A},1\n{B},2\n",
        f'"id","label"\n"{A}","1"\n"{B}","2"\n',
        f'\ufeff"id",label\r\n"{A}",1\r\n{B},"2"\r\n',
        f" id , label\n  {A} , 1\n{B}\t, 2 \n",
        f'id, "label"\n{A}, "1"\n{B}, "2"\n',
    ],
)
def test_the_same_catalog_in_many_forms_is_the_same(place: Path, content: str) -> None:
    catalog = read(place, content)
    assert [(row.did, json.loads(row.columns)) for row in catalog.rows] == [(A, {"label": "1"}), (B, {"label": "2"})]
    assert (catalog.duplicates, catalog.blank, catalog.malformed) == (0, 0, 0)
    assert catalog.source == str(place)


def test_the_identifiers_may_be_in_any_column_of_any_name(place: Path) -> None:
    catalog = read(place, f"label,obs_publisher_did\n1,{A}\n", "obs_publisher_did")
    assert [(row.did, row.columns) for row in catalog.rows] == [(A, '{"label": "1"}')]


def test_one_column_is_enough(place: Path) -> None:
    assert [(row.did, row.columns) for row in read(place, f"id\n{A}\n").rows] == [(A, "{}")]


def test_a_quoted_field_may_hold_commas_quotes_and_lines(place: Path) -> None:
    catalog = read(place, f'id,note\n{A},"one, ""two""\nthree"\n{B},x\n')
    assert dids(catalog) == [A, B]
    assert json.loads(catalog.rows[0].columns) == {"note": 'one, "two"\nthree'}


def test_blank_lines_are_counted_and_passed_over(place: Path) -> None:
    catalog = read(place, f"\n\nid,label\n\n{A},1\n , \n{B},2\n\n")
    assert dids(catalog) == [A, B]
    assert catalog.blank == 3


def test_duplicates_are_counted_and_the_first_of_them_counts(place: Path) -> None:
    catalog = read(place, f"id,label\n{A},1\n{B},2\n{A},3\n {A} ,4\n")
    assert [(row.did, row.columns) for row in catalog.rows] == [(A, '{"label": "1"}'), (B, '{"label": "2"}')]
    assert catalog.duplicates == 2


def test_identifiers_that_differ_in_case_are_two(place: Path) -> None:
    assert read(place, f"id\n{A}\n{A.upper().replace('IVO', 'ivo')}\n").duplicates == 0


def test_ragged_rows_are_counted_and_taken(place: Path) -> None:
    catalog = read(place, f"id,label,x\n{A}\n{B},2,3,4,5\n{C},1,2\n")
    assert dids(catalog) == [A, B, C]
    assert catalog.malformed == 2
    assert json.loads(catalog.rows[1].columns) == {"label": "2", "x": "3"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ": the file is empty; give a CSV with a column 'id'"),
        ("\n \n", ": the file is empty"),
        ("\ufeff", ": the file is empty"),
        ("id,label\n", ": it lists no spectrum; give one publisher DID a line below 'id'"),
        (f"ID,label\n{A},1\n", ", line 1: no column 'id' among 'ID', 'label'; name it with --id-column NAME"),
        (f"ids,label\n{A},1\n", "(did you mean --id-column 'ids'?)"),
        (f"ID,label\n{A},1\n", "(did you mean --id-column 'ID'?)"),
        (f"DID;label\n{A};1\n", "no column 'id' among 'DID', 'label'; name it with --id-column NAME (did you mean --"),
        (f"{A},1\n{B},2\n", f"no column 'id' among '{A}', '1'"),
        (f"id,id\n{A},{B}\n", "the column 'id' is there more than once; rename one"),
        (f"id,label\n{A},1\n,2\n", ", line 3: the id is empty; fill it in or remove the line"),
        (f"label,id\n1,{A}\n2\n", ", line 3: the id is empty"),
        (f"id\n{A}\nsh270028\n", ", line 3: id 'sh270028' is not a publisher DID: a publisher DID begins with ivo://"),
        (f"id\n{A}\nivo://org/\0\n", ", line 3: id 'ivo://org/\\x00' is not a publisher DID: it contains a control"),
        ("id\nivo://org/\x1b[31m\n", "id 'ivo://org/\\x1b[31m' is not a publisher DID"),
        ("id\nivo://org/" + "x" * 5000 + "\n", "...' is not a publisher DID: it is longer than 1024 characters"),
        (f'id\n"{A}\n{B}\n', "is not a publisher DID: it contains a control character"),
        ("SIMPLE  =                    T\0\0\0", ": it begins like FITS table, but cannot be read ("),
        ("id,x\n" + f'{A},"' + "x" * 140_000 + '"\n', ", line 2: field larger than field limit (131072); give a CSV"),
        (b"id\nivo://org/hv\xeczda\n", "not text (byte 0xec is not UTF-8); give a CSV file in UTF-8"),
        (f"id\n{A}\xff\n".encode("latin-1"), "not text (byte 0xff is not UTF-8)"),
        (b"\x89PNG\r\n\x1a\n", "not text (byte 0x89 is not UTF-8)"),
    ],
)  # fmt: skip
def test_what_would_ask_for_the_wrong_thing_is_refused_with_where_and_what_to_do(
    place: Path, content: str | bytes, words: str
) -> None:
    assert words in refused(place, content)


@pytest.mark.parametrize(
    "content",
    [
        f'id,label\n{A},"1\n{B},2\n{C},3\n',
        f'id,label\n{A},"1\n{B},"2\n{C},3\n',
        f'label,id\n"1,{A}\n"2",{B}\n',
    ],
)
def test_a_quote_that_is_not_closed_leaves_no_spectrum_out_in_silence(place: Path, content: str) -> None:
    assert ", line 2: a quote there swallows the rows below it; close or remove it" in refused(place, content)


@pytest.mark.parametrize(("label", "shown"), [("a\0b", "'a\\x00b'"), ("\ud800", "'\\ud800'")])
def test_a_label_that_no_data_set_can_hold_is_named_with_its_line_and_column(label: str, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_catalog(["id,label\n", f"{A},1\n", f"{B},{label}\n"], "x.csv", CatalogRules())
    assert str(caught.value) == f"catalog x.csv, line 3: label {shown} is not text; remove its NUL or surrogate"
    with pytest.raises(UsageError, match=r"from Python .*, line 2: label .* is not text"):
        catalog_from_python([{"id": A, "label": label}], CatalogRules())


def test_a_column_has_a_name_and_no_novel(place: Path) -> None:
    assert "a name of 70000 characters; shorten it to 200" in refused(place, f"id,{'n' * 70_000}\n{A},1\n")
    assert len(read(place, f"id,{'n' * 200}\n{A},1\n").dids) == 1


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv: No such file or directory; give the CSV file with --catalog"):
        read_catalog(str(tmp_path / "nowhere.csv"))
    with pytest.raises(UsageError, match="Is a directory"):
        read_catalog(str(tmp_path))


def stdin_of(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="ascii")


def test_a_dash_is_standard_input_read_like_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(f'\ufeffid,label\r\nivo://org/ž,"a\nb"\r\n{B},\r\n'.encode()))
    catalog = read_catalog("-")
    assert dids(catalog) == ["ivo://org/ž", B]
    assert catalog.source == "standard input"


@pytest.mark.parametrize("content", [b"", b"id\nx\n", b"id\n\xff\n"])
def test_complaints_about_standard_input_call_it_by_its_name(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(content))
    with pytest.raises(UsageError, match="catalog standard input"):
        read_catalog("-")


def test_standard_input_that_is_closed_or_a_folder_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Folder(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise IsADirectoryError(21, "Is a directory")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Folder()))
    with pytest.raises(UsageError, match="standard input: Is a directory"):
        read_catalog("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input is closed"):
        read_catalog("-")


PIECES = st.lists(
    st.sampled_from(
        ["id", A, B, "ivo://", ",", "\n", "\r\n", "\r", '"', '""', " ", "\t", "\0", "\ufeff", ";", "x", "ž"]
    )
    | st.text(max_size=3)
).map("".join)


def only_usage_errors(place: Path, content: bytes) -> None:
    try:
        catalog = read(place, content)
    except UsageError as error:
        sentence = str(error)
        catalog = None
    if catalog is None:
        assert sentence.startswith(f"catalog {place}")
        assert all(line.isprintable() for line in sentence.split("\n"))
        return
    assert catalog.rows
    assert len(set(dids(catalog))) == len(catalog.rows)
    assert all(isinstance(json.loads(row.columns), dict) for row in catalog.rows)


@WILD
@given(content=PIECES.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60))
@example(content=b'id\n"')
@example(content=b"\xef\xbb")
def test_no_content_raises_anything_but_a_sentence(place: Path, content: bytes) -> None:
    only_usage_errors(place, content)


@WILD
@given(content=PIECES.map(lambda text: f"id,label\n{A},1\n{text}".encode("utf-8", "surrogatepass")))
def test_nor_does_any_content_after_a_good_beginning(place: Path, content: bytes) -> None:
    only_usage_errors(place, content)


@WILD
@given(
    lines=st.lists(
        st.tuples(st.integers(0, 5), st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)),
        min_size=1,
        max_size=12,
    ),
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_whatever_a_csv_writer_wrote_is_read_back(  # but a lone CR, which Python's own writer leaves unquoted
    place: Path, lines: list[tuple[int, str]], *, bom: bool, end: str, quoting: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]  # the stub wants literals
    writer.writerow(["label", "id"])
    writer.writerows([label, f"ivo://org/{number}"] for number, label in lines)
    catalog = read(place, ("\ufeff" if bom else "") + text.getvalue())
    first: dict[str, str] = {}
    for number, label in lines:
        first.setdefault(f"ivo://org/{number}", label.strip())
    assert {row.did: json.loads(row.columns)["label"] for row in catalog.rows} == first
    assert catalog.duplicates == len(lines) - len(first)
    assert (catalog.blank, catalog.malformed) == (0, 0)


def test_complaints_name_the_line_an_editor_shows(place: Path) -> None:
    sentence = refused(place, f'id,note\n{A},"one\ntwo"\n\nwrong,x\n')
    assert re.match(r", line 5: ", sentence)


@pytest.mark.skipif(not GENUINE.exists(), reason="the genuine catalog is not beside this repository")
def test_the_genuine_catalog_is_read_whole() -> None:
    catalog = read_catalog(str(GENUINE))
    assert len(catalog.rows) == len(set(dids(catalog))) == 13_334
    assert (catalog.duplicates, catalog.blank, catalog.malformed) == (0, 0, 0)
    assert catalog.rows[0].columns == '{"label": "2"}'
