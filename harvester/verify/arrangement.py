"""How the cards of a header are arranged: the spectra of an archive share a handful of arrangements.

So keywords are understood once for each arrangement, not for each spectrum, of which only values are left to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np

CARD = 80  # bytes, of them 8 for the keyword
CONTINUE = b"CONTINUE"

_KEYWORDS = np.dtype({"names": ["keyword"], "formats": ["S8"], "itemsize": CARD})
_KEYWORD = re.compile(rb"[A-Z0-9_-]* *")  # left-justified in its eight bytes
# A second card of these could mean either; of others the first counts, as for astropy.
_MUST_BE_UNIQUE = re.compile(rb"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|T[A-Z]+\d*|DS_IDPUB|OBJECT")
# What the size and the form of the data follow from (FITS 4.0, sections 4.4.1, 4.4.2 and 7.3).
_STRUCTURAL = re.compile(
    rb"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|GROUPS|[PG]COUNT|TFIELDS|THEAP"
    rb"|T(?:TYPE|FORM|UNIT|UTYP|SCAL|ZERO|NULL|DISP|DIM)\d+"
)


@dataclass(frozen=True, slots=True)
class Arrangement:
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


def is_keyword(keyword: bytes) -> bool:
    """Whether these 8 bytes are one; eight blanks are, too."""
    return _KEYWORD.fullmatch(keyword) is not None


@lru_cache(64)  # an archive has a handful; the longest header that is read takes a megabyte here
def arrangement(keywords: bytes) -> Arrangement:
    """The arrangement of cards with these ``keywords``, as ``keywords_of`` gives them."""
    cards: dict[bytes, list[int]] = {}
    for place, keyword in _placed(keywords):
        cards.setdefault(keyword, []).append(place)
    return Arrangement(
        places={keyword: places[0] for keyword, places in cards.items()},
        ambiguous={
            keyword: places
            for keyword, places in cards.items()
            if len(places) > 1 and _MUST_BE_UNIQUE.fullmatch(keyword.rstrip())
        },
        structural=_runs(place for place, keyword in _owned(keywords) if _STRUCTURAL.fullmatch(keyword.rstrip())),
        sound=all(map(is_keyword, cards)),
    )


@lru_cache(64)
def cards_but(keywords: bytes, left_out: frozenset[bytes]) -> tuple[int, Sequence[slice]]:
    """How many cards have other keywords than those that are ``left_out``, and where they are."""
    kept = [place for place, keyword in _placed(keywords) if keyword not in left_out]
    return len(kept), _runs(kept)


def _placed(keywords: bytes) -> Iterator[tuple[int, bytes]]:
    return ((CARD * (at // 8), keywords[at : at + 8]) for at in range(0, len(keywords), 8))


def _owned(keywords: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each card begins, and the keyword that it belongs to: a CONTINUE card belongs to the one before it."""
    owner = b""
    for place, keyword in _placed(keywords):
        owner = owner if keyword == CONTINUE else keyword
        yield place, owner


def _runs(places: Iterable[int]) -> Sequence[slice]:
    """The slices of a header's bytes that hold the cards at ``places``; neighbours share one."""
    runs = groupby(enumerate(places), lambda pair: pair[1] - pair[0] * CARD)
    return tuple(slice(run[0][1], run[-1][1] + CARD) for run in (list(group) for _, group in runs))
