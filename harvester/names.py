"""File names for publisher DIDs: safe on every file system, stable, and never two spectra under one name.

A DID's last segment names the file, as the notebook did (``ivo://asu.cas.cz/stel/ccd700/sh270028`` is
``sh270028.fits``; so is ``.../sh270028.fits``). A segment that is unsafe somewhere, or that two DIDs of the catalogue
share (also when only case differs: macOS, Windows), gives way to a slug of the whole path and 8 hex digits of the DID's
BLAKE2b digest. Segments that already look like such a slug count as unsafe, so that the two kinds of name can never
meet.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .roster import Index
from .spectra import SpectrumId, Target

_PLAIN = re.compile(  # neither like a slug, nor a device of Windows, nor with a dot at either end
    r"(?!.*-[0-9a-fA-F]{8,}\Z)(?!(?ai:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))"
    r"[A-Za-z0-9_](?:[A-Za-z0-9._+-]{0,78}[A-Za-z0-9_+-])?"
)
_UNSAFE_RUN = re.compile(r"[^A-Za-z0-9]+")
_ENDING = re.compile(r"(?ai:\.fits?(?:\.gz)?)\Z")
_SLUG_LENGTH = 60
MOST_HEADS = 255  # different beginnings of DIDs that a byte can number
LONGEST_DEVICE, LONGEST_SAFE = 4, 80  # characters of a device's name (com1), and of a name that is taken as it is


def plain_name(did: SpectrumId) -> str | None:
    """The DID's last segment, without ``.fits``, where it is a safe file stem everywhere, else None."""
    segment = last_segment(did)
    return segment if _is_plain(segment) else None


def slug_name(did: SpectrumId, digits: int = 8) -> str:
    """A name made of what is legible in the DID's path and ``digits`` hex digits of the DID's digest."""
    path = did.partition("://")[2].partition("/")[2]
    legible = _UNSAFE_RUN.sub("_", path).strip("_")[-_SLUG_LENGTH:].lstrip("_") or "spectrum"
    return f"{legible}-{hashlib.blake2b(did.encode(), digest_size=32).hexdigest()[:digits]}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one catalogue's spectra: ``names.of(did)`` for each of its DIDs.

    ``special`` holds only the DIDs whose name is not simply their last segment.
    """

    special: Mapping[SpectrumId, str] = field(default_factory=dict)
    collisions: int = 0

    def of(self, did: SpectrumId) -> str:
        return self.special.get(did) or last_segment(did)

    def target(self, did: SpectrumId, address: str = "") -> Target:
        return Target(did, self.of(did), address)


class Segments:
    """The distinct DIDs of a catalogue, found by the last segments that name their files: one look-up for both.

    Most segments are safe and nobody else's. The DIDs of all others are found by themselves. Of most DIDs it is enough
    to know what comes before the segment, which many have in common: ``_origins`` has its number among ``_heads`` for
    each whose segment is in lower case, else 0.
    """

    def __init__(self, dids: Sequence[SpectrumId], expected: int = 0) -> None:
        self.dids = dids
        self.spent = False
        self._make(expected)

    def _make(self, expected: int) -> None:
        self.shared: set[str] = set()
        self._named = Index(lambda number: folded(self.dids[number]), expected, quick=True)
        self.named = self._named.likely
        """The number of the first DID with a safe last segment, which is to be case-folded."""
        self._others = array("I")
        self._by_did = Index(lambda place: self.dids[self._others[place]])
        self._heads: dict[str, int] = {}
        self._origins = bytearray()

    def forget(self) -> None:
        """Give the memory back; nothing can be found any more."""
        self.spent = True
        self._make(0)

    @classmethod
    def of(cls, dids: Sequence[SpectrumId]) -> Segments:
        """All of these, which differ."""
        segments = cls(dids, len(dids))
        for did in dids:
            segments.note(did)
        return segments

    def note(self, did: SpectrumId) -> bool:
        """Whether ``did`` is none of those before it: then it has to be the next one of ``dids``."""
        number, (head, _, tail) = len(self._origins), did.rpartition("/")
        segment = _ENDING.sub("", tail) if "." in tail else tail
        key = segment.casefold() if _is_plain(segment) else ""
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

    def _origin(self, head: str) -> int:
        known = self._heads.get(head)
        if known is None and len(self._heads) < MOST_HEADS:
            known = self._heads[head] = len(self._heads) + 1
        return known or 0

    def is_of(self, number: int, did: SpectrumId, name: str) -> bool:
        """Whether the DID of that number, which is ``named`` so, is this one."""
        origin = self._origins[number]
        if not origin:
            return self.dids[number] == did
        head, _, tail = did.rpartition("/")
        return tail == name and self._heads.get(head) == origin

    def is_called(self, number: int, name: str) -> bool:
        """Whether a file with this ``name`` has it to the letter from the DID of that number, which is ``named`` so but
        for the case: disks may tell upper from lower."""
        return name == name.casefold() if self._origins[number] else last_segment(self.dids[number]) == name

    @property
    def others(self) -> Sequence[int]:
        """The numbers of the DIDs whose segment is unsafe, or that of one before them."""
        return self._others


def assign_names(dids: Sequence[SpectrumId], taken: Mapping[str, SpectrumId] | None = None) -> Names:
    """Names for distinct ``dids``. ``taken`` (case-folded name to DID) are names that earlier harvests gave away:
    a DID keeps the name it has there, and no other DID gets it.
    """
    return names_of(Segments.of(dids), taken or {})


def names_of(segments: Segments, held: Mapping[str, SpectrumId]) -> Names:
    """The same for ``segments``. What is ``held`` by others than one would expect is enough."""
    dids, shared = segments.dids, segments.shared
    unsafe = (did for did in map(dids.__getitem__, segments.others) if plain_name(did) is None)
    special = {did: slug_name(did) for did in unsafe}
    unsafes = len(special)
    kept = _slugs_they_have(dids, held)
    if shared or held:
        for did in dids:
            key = folded(did)
            if did not in special and (did in kept or held.get(key, did) != did or (key in shared and key not in held)):
                special[did] = slug_name(did)
    collisions = len(special) - unsafes
    return Names(_lengthen_clashes(special, held) | kept, collisions)


def last_segment(did: SpectrumId) -> str:
    """Where identifiers are made of paths (``ivo://org.gavo.dc/~?feros/data/f08751.fits``) it has an ending, too."""
    segment = did.rpartition("/")[2]
    return _ENDING.sub("", segment) if "." in segment else segment


def _is_plain(segment: str) -> bool:
    if LONGEST_DEVICE < len(segment) <= LONGEST_SAFE and segment.isascii() and segment.isalnum():
        return True  # the pattern says so, too, and takes four times as long
    return _PLAIN.fullmatch(segment) is not None


def folded(did: SpectrumId) -> str:
    """The DID's last segment as a case-insensitive disk has it."""
    return last_segment(did).casefold()


def _slugs_they_have(dids: Iterable[SpectrumId], held: Mapping[str, SpectrumId]) -> dict[SpectrumId, str]:
    owners = {did for name, did in held.items() if name != folded(did)}
    slugs = {did: _slug_it_has(did, held) for did in dids if did in owners} if owners else {}
    return {did: slug for did, slug in slugs.items() if slug is not None}


def _slug_it_has(did: SpectrumId, held: Mapping[str, SpectrumId]) -> str | None:
    """The slug under which ``did`` is stored already, though its last segment may be free by now."""
    if held.get(folded(did)) == did:
        return None
    slugs = (slug_name(did, digits) for digits in (8, 64))
    return next((slug for slug in slugs if held.get(slug.casefold()) == did), None)


def _lengthen_clashes(special: dict[SpectrumId, str], held: Mapping[str, SpectrumId]) -> dict[SpectrumId, str]:
    """Slugs that meet after all (a 32-bit digest and the same legible part) get the whole digest."""
    met = Counter(name.casefold() for name in special.values())
    clashing = {did for did, name in special.items() if met[name.casefold()] > 1 or name.casefold() in held}
    return {did: slug_name(did, 64) if did in clashing else name for did, name in special.items()}
