"""What spectra share is worked out once: it is never another's, and no server fills the memory with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.fits import hdu, table
from harvester.fits.hdu import read_hdus
from harvester.fits.header import Header
from harvester.fits.header_layout import (
    CARD,
    LONGEST_KEY,
    bounded_cache,
    header_layout,
    is_structural,
    keywords_of,
    ranges_without,
)
from harvester.fits.reader import read_spectrum
from tests.support.fits_files import FLUX, WAVE, accepted, refused, spectrum_file

KEYWORDS = ["NAXIS1", "TTYPE1", "TFORM1", "OBJECT", "CHECKSUM", "CONTINUE", "HISTORY", ""]


def card(keyword: str, rest: str = "= 'x&'") -> bytes:
    return f"{keyword:8}{rest}".ljust(CARD).encode()


@given(st.lists(st.sampled_from(KEYWORDS)), st.frozensets(st.sampled_from(KEYWORDS)))
def test_the_cards_of_a_layout_are_found_where_they_are(names: list[str], left_out: frozenset[str]) -> None:
    cards = [card(name, f"= {number}") for number, name in enumerate(names)]
    block = b"".join(cards)
    keywords = keywords_of(block)
    found = header_layout(keywords)
    assert keywords == b"".join(name.ljust(8).encode() for name in names)
    assert {key.decode().rstrip(): place // CARD for key, place in found.offsets.items()} == {
        name: names.index(name) for name in names
    }
    count, runs = ranges_without(keywords, frozenset(name.ljust(8).encode() for name in left_out))
    kept = [one for one, name in zip(cards, names, strict=True) if name not in left_out]
    assert (count, b"".join(block[run] for run in runs)) == (len(kept), b"".join(kept))


def test_a_continued_string_stays_with_its_own_card() -> None:
    cards = [card("TTYPE1"), card("OBJECT"), card("CONTINUE", "  'other'"), card("TFORM1"), card("CONTINUE", "  'own'")]
    header = Header(b"".join(cards))
    assert header.structure == cards[0] + cards[3] + cards[4]
    assert (header["OBJECT"], Header(header.structure)["TFORM1"]) == ("xother", "xown")


def test_whatever_the_structure_is_requested_is_among_the_structural_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would read as absent from files that have it."""
    asked: set[str] = set()

    class Listening(Header):
        def value(self, name: str) -> str | float | int | bool | None:
            asked.add(name)
            return super().value(name)

    for module in (hdu, table):
        monkeypatch.setattr(module, "Header", Listening)
    hdus = read_hdus(spectrum_file())
    for one in hdus:
        hdu._extent.__wrapped__(one.header.structure, one is hdus[0])  # type: ignore[attr-defined]
    table.binary_table.__wrapped__(hdus[1].header.structure)  # type: ignore[attr-defined]
    assert {"NAXIS2", "TFORM1", "TZERO2", "TUNIT2", "PCOUNT", "EXTEND", "GROUPS", "THEAP"} <= asked
    assert [name for name in asked if not is_structural(name.ljust(8).encode())] == []


def test_spectra_that_differ_in_one_card_of_their_structure_alone_are_not_taken_for_each_other() -> None:
    plain, scaled = spectrum_file(), spectrum_file(cards={"TSCAL2": 2.0})
    for _ in range(2):
        assert read_spectrum(plain).flux.mean() == pytest.approx(FLUX.mean())
        assert read_spectrum(scaled).flux.mean() == pytest.approx(2 * FLUX.mean())
    assert accepted(spectrum_file(WAVE[:50], FLUX[:50])).points == 50
    assert accepted(plain).points == WAVE.size


def test_a_header_that_was_refused_is_refused_again() -> None:
    bad = spectrum_file(cards={"TSCAL2": "two"})
    (detail,) = {refused(bad).detail for _ in range(3)}
    assert "TSCAL2" in detail


def test_what_is_longer_than_any_spectrum_s_is_not_remembered() -> None:
    worked: list[int] = []

    def work(key: bytes, more: int = 0) -> int:
        worked.append(len(key))
        return more

    known: Callable[[bytes, int], int] = bounded_cache(work)
    for length in (LONGEST_KEY, LONGEST_KEY + 1):
        assert [known(bytes(length), more) for more in (1, 2, 1, 2)] == [1, 2, 1, 2]
    assert worked == [LONGEST_KEY] * 2 + [LONGEST_KEY + 1] * 4


@given(st.lists(st.sampled_from(["A", "B", "AB", "C", "COMMENT"]), max_size=12), st.sets(st.sampled_from("ABCD")))
def test_fields_come_in_the_order_of_their_cards(keywords: list[str], wanted: set[str]) -> None:
    cards = [f"{keyword:8}= {number}".ljust(CARD) for number, keyword in enumerate(keywords)]
    fields = Header("".join(cards).encode()).fields(*sorted(wanted))
    assert fields == [card[8:].encode() for card, keyword in zip(cards, keywords, strict=True) if keyword in wanted]
