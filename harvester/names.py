"""File names for publisher DIDs: safe on every file system, stable, and never two spectra under one name.

A DID's last segment names the file, as the notebook did (``ivo://asu.cas.cz/stel/ccd700/sh270028`` is
``sh270028.fits``). A segment that is unsafe somewhere, or that two DIDs of the catalogue share (also when only case
differs: macOS, Windows), gives way to a slug of the whole path and 8 hex digits of the DID's BLAKE2b digest. Segments
that already look like such a slug count as unsafe, so that the two kinds of name can never meet.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .spectra import SpectrumId, Target

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,79}")
_LOOKS_LIKE_A_SLUG = re.compile(r".*-[0-9a-f]{8,}")
_UNSAFE_RUN = re.compile(r"[^A-Za-z0-9]+")
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))]
)
_SLUG_LENGTH = 60


def plain_name(did: SpectrumId) -> str | None:
    """The DID's last segment where it is a safe file stem everywhere, else None."""
    segment = did.rpartition("/")[2]
    if not _PLAIN.fullmatch(segment) or segment.endswith(".") or _LOOKS_LIKE_A_SLUG.fullmatch(segment.lower()):
        return None
    if segment.partition(".")[0].lower() in _WINDOWS_DEVICES:
        return None
    return segment


def slug_name(did: SpectrumId, digits: int = 8) -> str:
    """A name made of what is legible in the DID's path and ``digits`` hex digits of the DID's digest."""
    path = did.partition("://")[2].partition("/")[2]
    legible = _UNSAFE_RUN.sub("_", path).strip("_")[-_SLUG_LENGTH:].lstrip("_") or "spectrum"
    return f"{legible}-{hashlib.blake2b(did.encode(), digest_size=32).hexdigest()[:digits]}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one catalogue's spectra: ``names.target(did)`` for each of its DIDs.

    ``special`` holds only the DIDs whose name is not simply their last segment.
    """

    special: Mapping[SpectrumId, str] = field(default_factory=dict)
    collisions: int = 0

    def target(self, did: SpectrumId) -> Target:
        return Target(did, self.special.get(did) or did.rpartition("/")[2])


def assign_names(dids: Iterable[SpectrumId], taken: Mapping[str, SpectrumId] | None = None) -> Names:
    """Names for distinct ``dids``. ``taken`` (case-folded name to DID) are names that earlier harvests gave away:
    a DID keeps the name it has there, and no other DID gets it.
    """
    held = taken or {}
    owners = frozenset(held.values())
    folded: Counter[str] = Counter()
    special: dict[SpectrumId, str] = {}
    kept: dict[SpectrumId, str] = {}
    plain: list[SpectrumId] = []
    for did in dids:
        name = plain_name(did)
        if name is None:
            special[did] = slug_name(did)
        else:
            folded[name.casefold()] += 1
            plain.append(did)
        slug = _slug_it_has(did, held) if did in owners else None
        if slug is not None:
            kept[did] = slug
    unsafe = len(special)
    for did in plain:
        key = did.rpartition("/")[2].casefold()
        if did in kept or held.get(key, did) != did or (folded[key] > 1 and key not in held):
            special[did] = slug_name(did)
    collisions = len(special) - unsafe
    return Names(_lengthen_clashes(special, held) | kept, collisions)


def _slug_it_has(did: SpectrumId, held: Mapping[str, SpectrumId]) -> str | None:
    """The slug under which ``did`` is stored already, though its last segment may be free by now."""
    if held.get(did.rpartition("/")[2].casefold()) == did:
        return None
    slugs = (slug_name(did, digits) for digits in (8, 64))
    return next((slug for slug in slugs if held.get(slug.casefold()) == did), None)


def _lengthen_clashes(special: dict[SpectrumId, str], held: Mapping[str, SpectrumId]) -> dict[SpectrumId, str]:
    """Slugs that meet after all (a 32-bit digest and the same legible part) get the whole digest."""
    folded = Counter(name.casefold() for name in special.values())
    clashing = {did for did, name in special.items() if folded[name.casefold()] > 1 or name.casefold() in held}
    return {did: slug_name(did, 64) if did in clashing else name for did, name in special.items()}
