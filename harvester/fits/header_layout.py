"""How the cards of a header are arranged: the spectra of an archive share a handful of arrangements.

So keywords are understood once for each arrangement, not for each spectrum, of which only values are left to look at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import numpy as np

CARD = 80  # bytes, of them 8 for the keyword
CONTINUE = b"CONTINUE"

_KEYWORDS = np.dtype({"names": ["keyword"], "formats": ["S8"], "itemsize": CARD})
# Left-justified in its eight bytes; eight blanks are one, too.
_KEYWORD = rb"|".join(rb"[A-Z0-9_-]{%d} {%d}" % (length, 8 - length) for length in range(8, -1, -1))
_ALL_KEYWORDS = re.compile(rb"(?:%s)*" % _KEYWORD)
# A second card of these could mean either; of others the first counts, as for astropy.
_MUST_BE_UNIQUE = re.compile(rb"(?:SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|T[A-Z]+\d*|DS_IDPUB|OBJECT) *")
# What the size and the form of the data follow from (FITS 4.0, sections 4.4.1, 4.4.2 and 7.3).
_STRUCTURAL = re.compile(
    rb"(?:SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|GROUPS|[PG]COUNT|TFIELDS|THEAP"
    rb"|T(?:TYPE|FORM|UNIT|UTYP|SCAL|ZERO|NULL|DISP|DIM)\d+) *"
)


Work = TypeVar("Work", bound=Callable[..., Any])

MOST = 256  # results: more than an archive has kinds of headers, or spectra have numbers of points
LONGEST = 4000  # bytes: the keywords of 500 cards, or the structural cards of a dozen columns


def bounded_cache(work: Work) -> Work:
    """Remember the last results of ``work``, by its first argument, which is bytes, and the others.

    Bytes longer than any spectrum has are worked on each time: all that is remembered stays within some 30 MB.
    """
    known = lru_cache(MOST)(work)

    @wraps(work)
    def call(key: bytes, *more: Any) -> Any:
        return (known if len(key) <= LONGEST else work)(key, *more)

    return cast(Work, call)


Placed = tuple[int, bytes]
"""Where a card begins, in bytes, and its keyword."""


@dataclass(frozen=True, slots=True)
class HeaderLayout:
    """``places``: where the first card of each keyword begins, in bytes. ``ambiguous``: where the cards of those
    keywords begin that come more than once and must not. ``structural``: where the cards are that size and form of
    the data follow from. ``sound``: whether every keyword is one."""

    places: Mapping[bytes, int]
    ambiguous: Mapping[bytes, Sequence[int]]
    structural: Sequence[slice]
    sound: bool


def keywords_of(block: bytes) -> bytes:
    """The keywords of the cards in ``block``, 8 bytes each, one behind the other. ``block`` is whole cards."""
    return np.frombuffer(block, _KEYWORDS)["keyword"].tobytes() if block else b""


def are_keywords(keywords: bytes) -> bool:
    """Whether these bytes are keywords, 8 bytes each."""
    return _ALL_KEYWORDS.fullmatch(keywords) is not None


def is_structural(keyword: bytes) -> bool:
    """Whether the size or the form of the data follows from the card with these 8 bytes."""
    return _STRUCTURAL.fullmatch(keyword) is not None


@bounded_cache
def header_layout(keywords: bytes) -> HeaderLayout:
    """The arrangement of cards with these ``keywords``, as ``keywords_of`` gives them."""
    cards = list(placed(keywords))
    places = {keyword: place for place, keyword in reversed(cards)}
    return HeaderLayout(
        places,
        _ambiguous(cards) if len(places) < len(cards) else {},
        _runs(_structural(cards, set(filter(is_structural, places)))),
        are_keywords(keywords),
    )


@bounded_cache
def places_without(keywords: bytes, left_out: frozenset[bytes]) -> tuple[int, Sequence[slice]]:
    """How many cards have other keywords than those that are ``left_out``, and where they are."""
    kept = [place for place, keyword in placed(keywords) if keyword not in left_out]
    return len(kept), _runs(kept)


def placed(keywords: bytes) -> Iterator[Placed]:
    """The cards with these ``keywords``, in their order."""
    return ((at // 8 * CARD, keywords[at : at + 8]) for at in range(0, len(keywords), 8))


def _ambiguous(cards: Iterable[Placed]) -> Mapping[bytes, Sequence[int]]:
    found: dict[bytes, list[int]] = {}
    for place, keyword in cards:
        found.setdefault(keyword, []).append(place)
    several = ((keyword, places) for keyword, places in found.items() if len(places) > 1)
    return {keyword: places for keyword, places in several if _MUST_BE_UNIQUE.fullmatch(keyword)}


def _structural(cards: Iterable[Placed], structural: Collection[bytes]) -> Iterator[int]:
    """Where the cards with ``structural`` keywords begin; a CONTINUE card belongs to the one before it."""
    owner = b""
    for place, keyword in cards:
        owner = owner if keyword == CONTINUE else keyword
        if owner in structural:
            yield place


def _runs(places: Iterable[int]) -> Sequence[slice]:
    """The slices of a header's bytes that hold the cards at ``places``; neighbours share one."""
    runs: list[slice] = []
    begin = end = 0
    for place in places:
        if place != end:
            runs.append(slice(begin, end))
            begin = place
        end = place + CARD
    runs.append(slice(begin, end))
    return tuple(run for run in runs if run.start < run.stop)
