"""Identifiers of listed files: what identifies a row, and what several rows of one dataset are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.vo.identity import (
    LONGEST_IDENTIFIER,
    RowIdentity,
    absolute_address,
    canonical_address,
    choose_files,
    dataset_identifier,
)

DID = "ivo://arch.example/obs0"
FITS, VOTABLE = "application/fits", "application/x-votable+xml"


def chosen(*rows: RowIdentity) -> list[str]:
    return [identifier for _, identifier in choose_files(rows).chosen]


@pytest.mark.parametrize(
    ("given_ids", "identifier"),
    [
        ((DID, "ivo://c/1", ""), DID),
        (("", "ivo://c/1", "ivo://d/1"), "ivo://c/1"),
        (("BE:1", "http://c/1", "ivo://d/1"), "ivo://d/1"),
        (("IVO://Arch.Example/x", "", ""), "IVO://Arch.Example/x"),
        (("5", "o0", "BeSS:12345"), ""),
        (("ivo://", "ivo://a", "ivo://a/" + "x" * LONGEST_IDENTIFIER), ""),
    ],
)
def test_an_ivo_identifier_is_taken_in_this_order(given_ids: tuple[str, str, str], identifier: str) -> None:
    assert dataset_identifier(*given_ids) == identifier


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://a.example/x.fits", "http://a.example/x.fits"),
        ('"http://a.example/x.fits"', "http://a.example/x.fits"),
        (" 'http://a.example/x.fits' ", "http://a.example/x.fits"),
        ("files/x.fits", "http://s.example/q/files/x.fits"),
        ("/files/x.fits", "http://s.example/files/x.fits"),
        ("//b.example/x", "http://b.example/x"),
        ("http://a.example/x?a=1&amp;amp;b=2", "http://a.example/x?a=1&b=2"),
        ("http://a.example/x?a=1&b=2", "http://a.example/x?a=1&b=2"),
        ("", ""),
    ],
)
def test_an_address_is_read_as_it_was_meant(text: str, address: str) -> None:
    assert absolute_address(text, "http://s.example/q/ssap?REQUEST=queryData") == address


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://A.Example:80/x.fits#top", "http://a.example/x.fits"),
        ("https://a.example:443", "https://a.example/"),
        ("http://a.example:8080/X y?B=1", "http://a.example:8080/X%20y?B=1"),
        ("http://[::1]:81/x", "http://[::1]:81/x"),
    ],
)
def test_spellings_of_one_address_are_one(url: str, canonical: str) -> None:
    assert canonical_address(url) == canonical


def test_an_address_longer_than_a_catalog_takes_is_reported_apart_by_a_digest() -> None:
    long = "http://a.example/" + "x" * 2000
    one, other = canonical_address(long + "1"), canonical_address(long + "2")
    assert one != other
    assert len(one) == len(other) == LONGEST_IDENTIFIER


def test_a_file_without_an_identifier_is_called_by_its_address() -> None:
    assert chosen(RowIdentity("", "http://A.example/x.fits", FITS)) == ["http://a.example/x.fits"]


def test_formats_of_one_file_are_one_spectrum_in_the_best_of_them() -> None:
    rows = [
        RowIdentity(DID, "http://a/x.jpg", "image/jpeg"),
        RowIdentity(DID, "http://a/x.vot", VOTABLE),
        RowIdentity(DID, "http://a/x.fits", "Image/FITS"),
    ]
    files = choose_files(rows)
    assert files.chosen == ((2, DID),)
    assert (files.other_formats, files.unreadable) == (1, 1)


def test_several_files_of_one_dataset_are_several_spectra() -> None:
    rows = [RowIdentity(DID, f"http://a/obs0_order{number}.fits", "image/fits") for number in range(3)]
    assert chosen(*rows) == [f"{DID}#obs0_order{number}.fits" for number in range(3)]


def test_files_of_one_name_are_reported_apart_by_their_address() -> None:
    rows = [RowIdentity(DID, f"http://a/{number}/x1d.fits", FITS) for number in range(2)]
    first, second = chosen(*rows)
    assert first != second
    assert first.startswith(f"{DID}#x1d.fits-")


def test_files_that_a_query_names_are_called_by_it() -> None:
    rows = [RowIdentity(DID, f"http://a/get?v=1&id=s/{number:03}.fits", FITS) for number in range(2)]
    assert chosen(*rows) == [f"{DID}#000.fits", f"{DID}#001.fits"]


def test_the_same_address_twice_is_one_file() -> None:
    rows = [RowIdentity(DID, "http://a/x.fits", FITS)] * 2
    files = choose_files(rows)
    assert files.chosen == ((0, DID),)
    assert files.other_formats == 1


def test_a_dataset_without_a_readable_file_has_none() -> None:
    files = choose_files([RowIdentity(DID, "http://a/x.tar", "application/x-tar")])
    assert (files.chosen, files.unreadable) == ((), 1)


ROWS = st.lists(
    st.builds(
        RowIdentity,
        st.just(DID),
        st.sampled_from(["http://a/1.fits", "http://a/2.fits", "http://b/1.fits", "http://a/x?id=1", ""]),
        st.sampled_from([FITS, "image/fits", VOTABLE, "image/png", ""]),
    ),
    min_size=1,
    max_size=8,
)


@given(ROWS)
def test_every_row_is_chosen_or_counted_and_no_identifier_comes_twice(rows: list[RowIdentity]) -> None:
    files = choose_files(rows)
    assert len(files.chosen) + files.other_formats + files.unreadable == len(rows)
    assert len({identifier for _, identifier in files.chosen}) == len(files.chosen)


@given(st.text(max_size=80), st.sampled_from(["http://s.example/q/ssap", "", "http://["]))
def test_any_text_can_be_read_as_an_address(text: str, base: str) -> None:
    assert isinstance(canonical_address(absolute_address(text, base)), str)
