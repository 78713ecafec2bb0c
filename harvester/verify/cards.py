"""FITS headers: 80-character cards, split in one pass and understood one by one, when asked for (FITS 4.0 section 4).

Cards are told apart by their place alone, every 80 bytes, so that text within a value or a comment never counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from .rejection import malformed

Value = str | float | int | bool

# Left-justified keyword, then 72 printable characters. findall skips what does not match; the count tells.
_KEYWORD = rb"|".join(rb"[A-Z0-9_-]{%d} {%d}" % (length, 8 - length) for length in range(8, -1, -1))
_CARD = re.compile(rb"(%s)([ -~]{72})" % _KEYWORD)
_VALUE = re.compile(
    rb"= +(?:'(?P<text>[^']*(?:''[^']*)*)'"
    rb"|(?P<truth>[TF])"
    rb"|(?P<whole>[+-]?\d+)"
    rb"|(?P<real>[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?)"
    rb"|\([^)]*\))? *(?:/.*)?"
)
_CONTINUATION = re.compile(rb" +'([^']*(?:''[^']*)*)' *(?:/.*)?")
_COMMENTARY = frozenset({b"COMMENT ", b"HISTORY ", b"CONTINUE", b"HIERARCH", b" " * 8})
# A second card of these could mean either; of others the first counts, as for astropy.
_MUST_BE_UNIQUE = re.compile(rb"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|T[A-Z]+\d*|DS_IDPUB|OBJECT")


class Header(Mapping[str, Value]):
    """The values of a header by keyword. Cards without a value, or with a complex one, are left out."""

    __slots__ = ("_fields", "cards")

    def __init__(self, block: bytes) -> None:
        """``block`` is whole cards, without the END card. RejectedError if they are no cards."""
        self.cards: list[tuple[bytes, bytes]] = _CARD.findall(block)
        if len(self.cards) * 80 != len(block):
            raise malformed(f"the header card {_first_bad_card(block)} is not written in FITS characters")
        self._fields = dict(self.cards)
        if len(self._fields) != len(self.cards):
            self._fields = dict(reversed(self.cards))
            self._refuse_ambiguity()
        if b"END     " in self._fields:
            raise malformed("an END card of the header is not blank")

    def _refuse_ambiguity(self) -> None:
        times = Counter(keyword for keyword, field in self.cards if field.startswith(b"= "))
        for keyword, count in times.items():
            if count > 1 and _MUST_BE_UNIQUE.fullmatch(keyword.rstrip()):
                raise malformed(f"the header has {count} {keyword.decode().rstrip()} cards where one is allowed")

    def __getitem__(self, name: str) -> Value:
        value = self._parsed(_keyword(name))
        if value is None:
            raise KeyError(name)
        return value

    def value(self, name: str) -> Value | None:
        """The value of a card that the file's meaning depends on, None where there is none.

        RejectedError if it is written as no value is; as a mapping the header leaves such cards out.
        """
        keyword = _keyword(name)
        field = self._fields.get(keyword)
        if field is None:
            return None
        value = self._parsed(keyword)
        if value is None and field.startswith(b"= ") and not _VALUE.fullmatch(field):
            raise malformed(f"the value of the header's {name} card is not written as FITS demands")
        return value

    def __iter__(self) -> Iterator[str]:
        return (keyword.decode().rstrip() for keyword in self._fields if self._parsed(keyword) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _parsed(self, keyword: bytes) -> Value | None:
        field = self._fields.get(keyword)
        if field is None or keyword in _COMMENTARY:
            return None
        value = _read(field)
        return self._continued(value, keyword, field) if isinstance(value, bytes) else value

    def _continued(self, first: bytes, keyword: bytes, field: bytes) -> str:
        parts = [first]
        place = self.cards.index((keyword, field))
        for follower, rest in self.cards[place + 1 :]:
            more = _CONTINUATION.fullmatch(rest) if follower == b"CONTINUE" else None
            if more is None or not _goes_on(parts[-1]):
                break
            parts[-1] = parts[-1].rstrip(b" ")[:-1]
            parts.append(more[1])
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
    starts = range(0, len(block), 80)
    return next(n for n, at in enumerate(starts, 1) if not _CARD.fullmatch(block, at, at + 80))
