"""Two contents held against each other by what their spectra say.

The server writes the day into each answer, so a spectrum that is fetched again never has the same bytes: other bytes
with the same content digest are the same spectrum under another header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import merge
from itertools import groupby
from typing import NamedTuple

from .roster import Roster
from .spectra import SpectrumId


class Content(NamedTuple):
    """One spectrum as it was at some time: digests in hex, the content's None where it was never taken."""

    did: SpectrumId
    sha256: str
    content_digest: str | None


class Change(StrEnum):
    """What became of a spectrum that is not the same; ``meaning`` for people."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Change:
        member = str.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member

    ADDED = "added", "only after"
    GONE = "gone", "only before"
    CHANGED = "changed", "other content"
    HEADER_ONLY = "header_only", "the same content in other bytes, such as the date of the answer"


@dataclass(slots=True)
class Difference:
    """How many spectra are the same to the last bit, and which are not, in the order of their DIDs."""

    same: int = 0
    changes: Mapping[Change, Roster[SpectrumId]] = field(default_factory=lambda: {each: Roster() for each in Change})

    @property
    def differs(self) -> bool:
        """Whether there is more to it than headers."""
        return any(dids for change, dids in self.changes.items() if change is not Change.HEADER_ONLY)


def compare(before: Iterable[Content], after: Iterable[Content]) -> Difference:
    """The difference between two contents, each in the order of its DIDs; they are streamed."""
    difference = Difference()
    for did, old, new in _pairs(before, after):
        change = _change(old, new)
        if change is None:
            difference.same += 1
        else:
            difference.changes[change].append(did)
    return difference


def _pairs(
    before: Iterable[Content], after: Iterable[Content]
) -> Iterator[tuple[SpectrumId, Content | None, Content | None]]:
    old, new = ((content, False) for content in before), ((content, True) for content in after)
    for did, group in groupby(merge(old, new, key=lambda each: each[0].did), key=lambda each: each[0].did):
        sides = {is_new: content for content, is_new in group}
        yield did, sides.get(False), sides.get(True)


def _change(old: Content | None, new: Content | None) -> Change | None:
    if old is None or new is None:
        return Change.ADDED if old is None else Change.GONE
    if old.sha256 == new.sha256:
        return None
    return Change.HEADER_ONLY if old.content_digest and old.content_digest == new.content_digest else Change.CHANGED
