"""FITS headers: 80-character cards, understood one by one, when asked for (FITS 4.0 section 4).

Cards are told apart by their place alone, every 80 bytes, so that text within a value or a comment never counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from .errors import malformed
from .header_layout import CARD, CONTINUE, are_keywords, header_layout, keywords_of, placed, places_without

Value = str | float | int | bool

_PRINTABLE = bytes(range(ord(" "), ord("~") + 1))
_VALUE = re.compile(
    rb"= +(?:'(?P<text>[^']*(?:''[^']*)*)'"
    rb"|(?P<truth>[TF])"
    rb"|(?P<whole>[+-]?\d+)"
    rb"|(?P<real>[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?)"
    rb"|\([^)]*\))? *(?:/.*)?"
)
_CONTINUATION = re.compile(rb" +'([^']*(?:''[^']*)*)' *(?:/.*)?")
_COMMENTARY = frozenset({b"COMMENT ", b"HISTORY ", CONTINUE, b"HIERARCH", b" " * 8})


class Header(Mapping[str, Value]):
    """The values of a header by keyword. Cards without a value, or with a complex one, are left out."""

    __slots__ = ("_block", "_keywords", "_places", "structure")

    structure: bytes
    """The cards alone that the size and the form of the data follow from: many spectra have the same ones."""

    def __init__(self, block: bytes) -> None:
        """``block`` is whole cards, without the END card. RejectedError if they are no cards."""
        if len(block) % CARD:
            raise malformed(f"the header card {len(block) // CARD + 1} is cut short")
        self._block, self._keywords = block, keywords_of(block)
        arranged = header_layout(self._keywords)
        if not arranged.sound or block.translate(None, _PRINTABLE):
            raise malformed(f"the header card {_first_bad_card(block)} is not written in FITS characters")
        self._places = arranged.places
        for keyword, places in arranged.ambiguous.items():
            self._refuse_ambiguity(keyword, places)
        if b"END     " in self._places:
            raise malformed("an END card of the header is not blank")
        self.structure = b"".join([block[run] for run in arranged.structural])

    def _refuse_ambiguity(self, keyword: bytes, places: Iterable[int]) -> None:
        count = sum(self._block.startswith(b"= ", place + 8) for place in places)
        if count > 1:
            raise malformed(f"the header has {count} {keyword.decode().rstrip()} cards where one is allowed")

    def fields(self, *names: str) -> list[bytes]:
        """What stands behind the keyword, 72 bytes, on each card with one of these names, in the order of the cards."""
        wanted = {_keyword(name) for name in names}
        return [self._field(place) for place, keyword in placed(self._keywords) if keyword in wanted]

    def without(self, left_out: frozenset[bytes]) -> tuple[int, bytes]:
        """The cards with other keywords than those ``left_out``: how many there are, and their bytes."""
        count, runs = places_without(self._keywords, left_out)
        return count, b"".join([self._block[run] for run in runs])

    def __getitem__(self, name: str) -> Value:
        place = self._places.get(_keyword(name))
        value = None if place is None else self._parsed(place)
        if value is None:
            raise KeyError(name)
        return value

    def value(self, name: str) -> Value | None:
        """The value of a card that the file's meaning depends on, None where there is none.

        RejectedError if it is written as no value is; as a mapping the header leaves such cards out.
        """
        place = self._places.get(_keyword(name))
        if place is None:
            return None
        value = self._parsed(place)
        if value is None and self._block.startswith(b"= ", place + 8) and not _VALUE.fullmatch(self._field(place)):
            raise malformed(f"the value of the header's {name} card is not written as FITS demands")
        return value

    def __iter__(self) -> Iterator[str]:
        return (keyword.decode().rstrip() for keyword, place in self._places.items() if self._parsed(place) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _field(self, place: int) -> bytes:
        return self._block[place + 8 : place + CARD]

    def _parsed(self, place: int) -> Value | None:
        """The value of the card that begins at ``place``, if it has one."""
        value = _read(self._field(place))
        if value is None or self._block[place : place + 8] in _COMMENTARY:
            return None
        return self._continued(value, place + CARD) if isinstance(value, bytes) else value

    def _continued(self, first: bytes, place: int) -> str:
        """The string that begins with ``first`` and goes on in the card at ``place``, if that continues it."""
        parts = [first]
        while self._block.startswith(CONTINUE, place) and _goes_on(parts[-1]):
            more = _CONTINUATION.fullmatch(self._field(place))
            if more is None:
                break
            parts[-1] = parts[-1].rstrip(b" ")[:-1]
            parts.append(more[1])
            place += CARD
        return _text(b"".join(parts))

    def integer(self, name: str, lowest: int, highest: int) -> int:
        """The value of a mandatory card; RejectedError unless it is an integer from ``lowest`` to ``highest``."""
        value = self.value(name)
        if value is None:
            raise malformed(f"the header has no {name} card with a value")
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise malformed(f"the header says {name} = {value!r}, not an integer from {lowest} to {highest}")
        return value

    def text(self, name: str) -> str:
        """The string of an optional card, '' where there is none; RejectedError if it is no string."""
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise malformed(f"the header says {name} = {value!r}, not a string")
        return value

    def real(self, name: str) -> float | None:
        """The number of an optional card, None where there is none; RejectedError if it is no number."""
        value = self.value(name)
        if isinstance(value, (bool, str)):
            raise malformed(f"the header says {name} = {value!r}, not a number")
        return None if value is None else float(value)


@lru_cache(1024)  # few names are ever asked for, each of every spectrum
def _keyword(name: str) -> bytes:
    return name.encode().ljust(8)


@lru_cache(4096)  # the spectra of an archive share nearly all their cards
def _read(field: bytes) -> bytes | Value | None:
    """The value in a card's field; of a string that may go on in the next card, the bytes between its quotes."""
    found = _VALUE.fullmatch(field)
    if found is None:
        return None
    match found.lastgroup:
        case "text":
            return found["text"] if _goes_on(found["text"]) else _text(found["text"])
        case "truth":
            return found["truth"] == b"T"
        case "whole":
            return int(found["whole"])
        case "real":
            return float(found["real"].replace(b"D", b"E"))
    return None


def _goes_on(part: bytes) -> bool:
    return part.rstrip(b" ").endswith(b"&")


def _text(quoted: bytes) -> str:
    return quoted.replace(b"''", b"'").decode().rstrip(" ")


def _first_bad_card(block: bytes) -> int:
    """The first card, from 1 on, with a bad keyword or a character that no header has."""
    starts = range(0, len(block), CARD)
    alone = (block[at : at + CARD] for at in starts)
    return next(n for n, card in enumerate(alone, 1) if not are_keywords(card[:8]) or card.translate(None, _PRINTABLE))
