"""A label that was acknowledged is in the file, whatever happens next, and the readers of catalogs agree about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.browse.agreement import agreements, cohen_kappa, disputed
from harvester.browse.labels import LabelFile, all_labels, check_name, label_file, open_labels, read_labels
from harvester.catalog.reader import read_catalog
from harvester.catalog.rules import CatalogRules
from harvester.errors import StoreError, UsageError

PREFIX = "ivo://example.org/a/"


def opened(folder: Path, name: str = "anna") -> LabelFile:
    with open_labels(folder / "labels", name) as labels:
        return labels


def test_a_label_is_appended_and_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = opened(tmp_path)
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    labels.set(PREFIX + "one", "3")
    assert labels.path.read_text() == f"id,label\n{PREFIX}one,3\n"
    assert synced == [str(labels.path)]


def test_a_label_that_is_changed_leaves_no_older_row(tmp_path: Path) -> None:
    labels = opened(tmp_path)
    labels.set(PREFIX + "one", "3")
    labels.set(PREFIX + "two", "1")
    labels.set(PREFIX + "one", "0")
    assert labels.path.read_text() == f"id,label\n{PREFIX}two,1\n{PREFIX}one,0\n"
    assert labels.undo() == (PREFIX + "one", "3")
    assert labels.undo() == (PREFIX + "two", None)
    assert read_labels(labels.path) == {PREFIX + "one": "3"}


def test_undo_goes_back_beyond_the_session(tmp_path: Path) -> None:
    opened(tmp_path).set(PREFIX + "one", "3")
    again = opened(tmp_path)
    assert again.undo() == (PREFIX + "one", None)
    assert again.undo() is None
    assert again.path.read_text() == "id,label\n"


@given(
    st.lists(
        st.tuples(st.text("ab,\"'\n ", min_size=1, max_size=4), st.sampled_from("0123456789")) | st.none(), max_size=25
    )
)
@settings(max_examples=60)
def test_the_file_has_what_memory_has_after_any_session(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str] | None]
) -> None:
    folder = tmp_path_factory.mktemp("labels")
    labels = opened(folder)
    expected: list[dict[str, str]] = [{}]
    for step in steps:
        if step is None:
            labels.undo()
            expected = expected[:-1] or [{}]
        elif expected[-1].get(step[0]) != step[1]:
            labels.set(*step)
            expected.append({**expected[-1], step[0]: step[1]})
    assert dict(labels.labels) == expected[-1] == read_labels(labels.path)


@pytest.mark.parametrize("cut", range(1, len(PREFIX) + 5))
def test_a_row_that_a_power_cut_halved_is_no_label(tmp_path: Path, cut: int) -> None:
    labels = opened(tmp_path)
    labels.set(PREFIX + "one", "3")
    labels.path.write_bytes(labels.path.read_bytes() + f"{PREFIX}two,1\n".encode()[:cut])
    again = opened(tmp_path)
    whole = cut >= len(f"{PREFIX}two,1")
    assert dict(again.labels) == {PREFIX + "one": "3"} | ({PREFIX + "two": "1"} if whole else {})
    again.set(PREFIX + "three", "2")
    assert list(read_catalog(str(again.path), CatalogRules()).dids) == list(again.labels)


def test_a_full_disk_leaves_neither_half_a_row_nor_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = opened(tmp_path)
    labels.set(PREFIX + "one", "3")
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:4]) if len(text) > 20 else fail())
    with pytest.raises(StoreError):
        labels.set(PREFIX + "two", "1")
    monkeypatch.undo()
    assert dict(labels.labels) == read_labels(labels.path) == {PREFIX + "one": "3"}
    assert labels.path.read_bytes().endswith(b"one,3\n")


def fail() -> int:
    raise OSError(28, "No space left on device")


def test_two_people_have_two_files_and_one_person_one_writer(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    with open_labels(folder, "anna") as anna, open_labels(folder, "petr") as petr:
        anna.set(PREFIX + "one", "0")
        petr.set(PREFIX + "one", "3")
        with pytest.raises(UsageError, match="another browse"), open_labels(folder, "anna"):
            pass
    assert all_labels(folder) == {"anna": {PREFIX + "one": "0"}, "petr": {PREFIX + "one": "3"}}
    assert disputed(all_labels(folder)) == {PREFIX + "one"}


def test_what_is_no_file_of_labels_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    label_file(folder, "anna").write_text("name;class\nx;1\n")
    with pytest.raises(UsageError, match="first line is not id,label"):
        opened(tmp_path)
    assert label_file(folder, "anna").read_text() == "name;class\nx;1\n"
    for name in ("../anna", "", "a/b", ".hidden", "a" * 80, "catalog"):
        with pytest.raises(UsageError, match="--as"):
            check_name(name)
    assert check_name("Žofie.2") == "Žofie.2"


def test_a_file_that_a_spreadsheet_wrote_goes_on(tmp_path: Path) -> None:
    """With a byte order mark, quotes, CRLF and an empty row, beside what macOS leaves in a folder."""
    folder = tmp_path / "labels"
    folder.mkdir()
    path = label_file(folder, "anna")
    path.write_bytes(f'\ufeff"id","label"\r\n"{PREFIX}one","=1+1"\r\n\r\n{PREFIX}two,0\r\n'.encode())
    (folder / "._anna.csv").write_bytes(b"\x00\x05\x16\x07\xff")
    with open_labels(folder, "anna") as anna:
        anna.set(PREFIX + "three", "3")
    expected = {PREFIX + "one": "=1+1", PREFIX + "two": "0", PREFIX + "three": "3"}
    assert all_labels(folder) == {"anna": expected}
    assert list(read_catalog(str(path), CatalogRules()).dids) == list(expected)


def test_many_labels_at_once_change_none_that_is_there(tmp_path: Path) -> None:
    labels = opened(tmp_path)
    labels.set(PREFIX + "one", "0")
    assert labels.add({PREFIX + "one": "3", PREFIX + "two": "1"}) == 1
    assert read_labels(labels.path) == {PREFIX + "one": "0", PREFIX + "two": "1"}


def test_kappa_is_that_of_the_textbook() -> None:
    """Fifty grant proposals that two people accept or refuse: 20 and 15 alike, 5 and 10 not."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa([], []) is None
    assert cohen_kappa(["1", "1"], ["1", "1"]) is None, "chance alone would agree"
    assert cohen_kappa(["1", "2"], ["1", "2"]) == 1


def test_agreement_counts_what_both_have_labelled() -> None:
    labellers = {"anna": {"a": "0", "b": "1", "c": "1"}, "petr": {"b": "1", "c": "3", "d": "0"}, "eva": {}}
    one, *rest = agreements(labellers)
    assert (one.one, one.other, one.both, one.equal, list(one.different)) == ("anna", "petr", 2, 1, ["c"])
    assert [(pair.both, pair.kappa) for pair in rest] == [(0, None), (0, None)]
