"""FITS headers: 80-character cards, parsed one by one, when their value is needed.

FITS 4.0 section 4. Cards are known by their place alone, every 80 bytes, so that text within a value or a comment never
counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import TypeVar, overload

from .cards import Cards, Value
from .errors import malformed
from .header_layout import CARD, CONTINUE, are_keywords, cards_of, header_layout, keywords_of, ranges_without

T = TypeVar("T")

_PRINTABLE = bytes(range(ord(" "), ord("~") + 1))
# FITS wants the E of an exponent in upper case; every reader takes it in lower case as well.
_VALUE = re.compile(
    rb"= +(?:'(?P<text>[^']*(?:''[^']*)*)'"
    rb"|(?P<truth>[TF])"
    rb"|(?P<whole>[+-]?\d+)"
    rb"|(?P<real>[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?)"
    rb"|\([^)]*\))? *(?:/(?s:.*))?"
)
_CONTINUATION = re.compile(rb" +'([^']*(?:''[^']*)*)' *(?:/(?s:.*))?")
_COMMENTARY = frozenset({b"COMMENT ", b"HISTORY ", CONTINUE, b"HIERARCH", b" " * 8})
_EXPONENTS = bytes.maketrans(b"Dd", b"EE")


class Header(Cards):
    """The values of a header by keyword.

    Cards without a value, or with a complex one, are left out.
    """

    __slots__ = ("_block", "_keywords", "_offsets", "oddities", "structure")

    structure: bytes
    """The cards alone that the size and the form of the data follow from: many spectra have the same ones."""

    oddities: tuple[str, ...]
    """Sentences on what is not as FITS demands and neither size nor data depend on."""

    def __init__(self, block: bytes) -> None:
        """Take ``block``: whole cards, without the END card.

        InvalidSpectrumError if data sizes are in doubt.
        """
        if len(block) % CARD:
            raise malformed(f"the header card {len(block) // CARD + 1} is cut short")
        self._block, self._keywords = block, keywords_of(block)
        layout = header_layout(self._keywords)
        self._offsets, self.oddities = layout.offsets, ()
        self.structure = b"".join([block[part] for part in layout.structural])
        if not layout.regular or block.translate(None, _PRINTABLE):
            self._note_odd_cards()
        for keyword, offsets in layout.repeated.items():
            self._note_repeated(keyword, offsets)
        if b"END     " in self._offsets:
            raise malformed("an END card of the header is not blank")

    def _note_odd_cards(self) -> None:
        detail = f"the header card {_first_odd_card(self._block)} is not written in FITS characters"
        if self.structure.translate(None, _PRINTABLE):
            raise malformed(detail)
        self.oddities = (detail,)

    def _note_repeated(self, keyword: bytes, offsets: Iterable[int]) -> None:
        count = sum(self._block.startswith(b"= ", offset + 8) for offset in offsets)
        if count > 1:
            detail = f"the header has {count} {keyword.decode().rstrip()} cards where one is allowed"
            if keyword.rstrip() != b"OBJECT":
                raise malformed(detail)
            self.oddities += (detail,)

    @property
    def keywords(self) -> Iterable[bytes]:
        """The different keywords, 8 bytes each."""
        return self._offsets.keys()

    def fields(self, *names: str) -> list[bytes]:
        """Return the 72 bytes behind the keyword of each card with one of these names.

        They are in the order of the cards.
        """
        wanted = {_keyword(name) for name in names} & self._offsets.keys()
        if sum(self._keywords.count(keyword) for keyword in wanted) == len(wanted):  # nearly always: no need to look on
            return [self._field(offset) for offset in sorted(self._offsets[keyword] for keyword in wanted)]
        return [self._field(offset) for offset, keyword in cards_of(self._keywords) if keyword in wanted]

    def comment(self, name: str) -> str:
        """Return the comment on the first card of that name, '' where there is none."""
        offset = self._offsets.get(_keyword(name))
        found = None if offset is None else _VALUE.fullmatch(self._field(offset))
        if found is None:
            return ""
        behind = found.end(found.lastgroup) if found.lastgroup else 1
        return found[0][behind:].partition(b"/")[2].decode("latin-1").strip()

    def contradiction(self, *names: str) -> str:
        """Return the first of ``names`` that several cards have with different values.

        '' if there is none.
        """
        for name in names:
            keyword = _keyword(name)
            if self._keywords.count(keyword) < 2:  # most headers: no need to look at each card
                continue
            offsets = [offset for offset, found in cards_of(self._keywords) if found == keyword]
            if len({self._parsed(offset) for offset in offsets}) > 1:
                return name
        return ""

    def without(self, left_out: frozenset[bytes]) -> tuple[int, bytes]:
        """Return the cards with other keywords than those ``left_out``.

        How many there are, and their bytes.
        """
        count, ranges = ranges_without(self._keywords, left_out)
        return count, b"".join([self._block[part] for part in ranges])

    def __getitem__(self, name: str) -> Value:
        offset = self._offsets.get(_keyword(name))
        value = None if offset is None else self._parsed(offset)
        if value is None:
            raise KeyError(name)
        return value

    @overload
    def get(self, name: str, /) -> Value | None: ...
    @overload
    def get(self, name: str, /, default: Value | T) -> Value | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """Return the value of a card, ``default`` where there is none.

        Without an exception, as most names that are looked up are absent: 8 % of a report's time.
        """
        offset = self._offsets.get(_keyword(name))
        value = None if offset is None else self._parsed(offset)
        return default if value is None else value

    def __contains__(self, name: object) -> bool:
        """Return whether a card of that name has a value."""
        return isinstance(name, str) and self.get(name) is not None

    def value(self, name: str) -> Value | None:
        """Return the value of a card that the file's meaning depends on, None where there is none.

        InvalidSpectrumError if it is written as no value is; as a mapping the header leaves such cards out.
        """
        offset = self._offsets.get(_keyword(name))
        if offset is None:
            return None
        value = self._parsed(offset)
        if value is None and self._block.startswith(b"= ", offset + 8) and not _VALUE.fullmatch(self._field(offset)):
            raise malformed(f"the value of the header's {name} card is not written as FITS demands")
        return value

    def __iter__(self) -> Iterator[str]:
        cards = sorted(self._offsets.items(), key=itemgetter(1))
        present = (keyword for keyword, offset in cards if self._parsed(offset) is not None)
        return (keyword.decode("latin-1").rstrip() for keyword in present)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _field(self, offset: int) -> bytes:
        return self._block[offset + 8 : offset + CARD]

    def _parsed(self, offset: int) -> Value | None:
        """Return the value of the card that begins at ``offset``, if it has one."""
        value = _read(self._field(offset))
        if value is None or self._block[offset : offset + 8] in _COMMENTARY:
            return None
        return self._continued(value, offset + CARD) if isinstance(value, bytes) else value

    def _continued(self, first: bytes, offset: int) -> str:
        """Return the string that begins with ``first``.

        It goes on in the card at ``offset``, if that continues it.
        """
        parts = [first]
        while self._block.startswith(CONTINUE, offset) and _goes_on(parts[-1]):
            more = _CONTINUATION.fullmatch(self._field(offset))
            if more is None:
                break
            parts[-1] = parts[-1].rstrip(b" ")[:-1]
            parts.append(more[1])
            offset += CARD
        return _text(b"".join(parts))


@lru_cache(1024)  # few names are ever looked up, each in every spectrum
def _keyword(name: str) -> bytes:
    return name.encode().ljust(8)


@lru_cache(4096)  # the spectra of an archive share nearly all their cards
def _read(field: bytes) -> bytes | Value | None:
    """Return the value in a card's field.

    Of a string that may go on in the next card, the bytes between its quotes.
    """
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
            return float(found["real"].translate(_EXPONENTS))
    return None


def _goes_on(part: bytes) -> bool:
    return part.rstrip(b" ").endswith(b"&")


def _text(quoted: bytes) -> str:
    return quoted.replace(b"''", b"'").decode("latin-1").rstrip(" ")


def _first_odd_card(block: bytes) -> int:
    """Return the number, from 1 on, of the first odd card.

    Its keyword is odd, or it has a character that no header has.
    """
    starts = range(0, len(block), CARD)
    cards = (block[at : at + CARD] for at in starts)
    return next(n for n, card in enumerate(cards, 1) if not are_keywords(card[:8]) or card.translate(None, _PRINTABLE))
