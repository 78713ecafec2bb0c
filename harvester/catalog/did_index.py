"""Index a catalog's DIDs by their last segments, which name their files."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

from ..model.target import SpectrumId
from .packed_strings import StringIndex

_PLAIN = re.compile(  # neither like a slug, nor a device of Windows, nor with a dot at either end
    r"(?!.*-[0-9a-fA-F]{8,}\Z)(?!(?ai:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))"
    r"[A-Za-z0-9_](?:[A-Za-z0-9._+-]{0,78}[A-Za-z0-9_+-])?"
)
_ENDING = re.compile(r"(?ai:\.fits?(?:\.gz)?)\Z")
MAX_HEADS = 255  # different beginnings of DIDs that a byte can number
LONGEST_DEVICE, LONGEST_SAFE = 4, 80  # characters of a device's name (com1), and of a segment that is used as it is


def last_segment(did: SpectrumId) -> str:
    """Return the last segment without ``.fits``, which DIDs made of paths have."""
    segment = did.rpartition("/")[2]
    return without_ending(segment) if "." in segment else segment


def without_ending(name: str) -> str:
    """Return a file name without ``.fits``, ``.fit`` or their ``.gz``."""
    return _ENDING.sub("", name)


def is_plain(segment: str) -> bool:
    """Return whether a segment is a safe file name everywhere."""
    if LONGEST_DEVICE < len(segment) <= LONGEST_SAFE and segment.isascii() and segment.isalnum():
        return True  # the pattern gives the same, and takes four times as long
    return _PLAIN.fullmatch(segment) is not None


def folded(did: SpectrumId) -> str:
    """Return the DID's last segment, case-folded."""
    return last_segment(did).casefold()


class DidIndex:
    """The distinct DIDs of a catalog, found by the last segments that name their files.

    One look-up finds both.

    Most segments are safe and belong to one DID. The DIDs of all others are found by themselves. Of most DIDs it is
    enough to know what comes before the segment, which many have in common: ``_origins`` has its number among
    ``_heads`` for each whose segment is in lower case, else 0.
    """

    def __init__(self, dids: Sequence[SpectrumId], expected: int = 0) -> None:
        self.dids = dids
        self.spent = False
        self._make(expected)

    def _make(self, expected: int) -> None:
        self.shared: set[str] = set()
        self._named = StringIndex(lambda number: folded(self.dids[number]), expected, quick=True)
        self.named = self._named.likely
        """The number of the first DID with a safe last segment, which is to be case-folded."""
        self._others = array("I")
        self._by_did = StringIndex(lambda place: self.dids[self._others[place]])
        self._heads: dict[str, int] = {}
        self._origins = bytearray()

    def forget(self) -> None:
        """Release the memory; nothing can be found any more."""
        self.spent = True
        self._make(0)

    @classmethod
    def of(cls, dids: Sequence[SpectrumId]) -> DidIndex:
        """Return the index of ``dids``, which are distinct."""
        segments = cls(dids, len(dids))
        for did in dids:
            segments.add(did)
        return segments

    def add(self, did: SpectrumId) -> bool:
        """Add ``did``, which has to be the next one of ``dids``, unless it is known.

        Return whether it was added.
        """
        number, (head, _, tail) = len(self._origins), did.rpartition("/")
        segment = _ENDING.sub("", tail) if "." in tail else tail
        key = segment.casefold() if is_plain(segment) else ""
        first = self._named.setdefault(key, number) if key else -1
        if first == number:
            self._origins.append(self._origin(head) if tail == key else 0)
            return True
        if key and self.dids[first] == did:
            return False
        place = len(self._others)
        if self._by_did.setdefault(did, place) != place:
            return False
        self._others.append(number)
        self._origins.append(0)
        if key:
            self.shared.add(key)
        return True

    def number_of(self, did: SpectrumId) -> int:
        """Return the number of a DID that was added. KeyError if it was not."""
        first = self._named.get(folded(did))
        if first is not None and self.dids[first] == did:
            return first
        place = self._by_did.get(did)
        if place is None:
            raise KeyError(did)
        return self._others[place]

    def _origin(self, head: str) -> int:
        known = self._heads.get(head)
        if known is None and len(self._heads) < MAX_HEADS:
            known = self._heads[head] = len(self._heads) + 1
        return known or 0

    def is_of(self, number: int, did: SpectrumId, name: str) -> bool:
        """Return whether the DID of that number, which is ``named`` so, is this one."""
        origin = self._origins[number]
        if not origin:
            return self.dids[number] == did
        head, _, tail = did.rpartition("/")
        return tail == name and self._heads.get(head) == origin

    def is_called(self, number: int, name: str) -> bool:
        """Return whether ``name`` equals the segment of that DID, also in case.

        The DID is the one that is ``named`` so.
        """
        return name == name.casefold() if self._origins[number] else last_segment(self.dids[number]) == name

    @property
    def others(self) -> Sequence[int]:
        """The numbers of the DIDs whose segment is unsafe, or that of one before them."""
        return self._others
