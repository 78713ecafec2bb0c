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


def plain_name(did: SpectrumId) -> str | None:
    """The DID's last segment, without ``.fits``, where it is a safe file stem everywhere, else None."""
    segment = _last_segment(did)
    return segment if _PLAIN.fullmatch(segment) else None


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
        return self.special.get(did) or _last_segment(did)

    def target(self, did: SpectrumId, address: str = "") -> Target:
        return Target(did, self.of(did), address)


def assign_names(dids: Sequence[SpectrumId], taken: Mapping[str, SpectrumId] | None = None) -> Names:
    """Names for distinct ``dids``. ``taken`` (case-folded name to DID) are names that earlier harvests gave away:
    a DID keeps the name it has there, and no other DID gets it.
    """
    held = taken or {}
    special, shared = _unsafe_and_shared(dids)
    unsafe = len(special)
    kept = _slugs_they_have(dids, held)
    if shared or held:
        for did in dids:
            key = _folded(did)
            if did not in special and (did in kept or held.get(key, did) != did or (key in shared and key not in held)):
                special[did] = slug_name(did)
    collisions = len(special) - unsafe
    return Names(_lengthen_clashes(special, held) | kept, collisions)


def _last_segment(did: SpectrumId) -> str:
    """Where identifiers are made of paths (``ivo://org.gavo.dc/~?feros/data/f08751.fits``) it has an ending, too."""
    segment = did.rpartition("/")[2]
    return _ENDING.sub("", segment) if "." in segment else segment


def _folded(did: SpectrumId) -> str:
    return _last_segment(did).casefold()


def _unsafe_and_shared(dids: Sequence[SpectrumId]) -> tuple[dict[SpectrumId, str], set[str]]:
    """Slugs for the DIDs whose last segment is unsafe, and the case-folded safe segments that several DIDs have."""
    first = Index(lambda number: _folded(dids[number]), len(dids))
    unsafe: dict[SpectrumId, str] = {}
    shared: set[str] = set()
    for number, did in enumerate(dids):
        name = plain_name(did)
        if name is None:
            unsafe[did] = slug_name(did)
        elif first.setdefault(name.casefold(), number) != number:
            shared.add(name.casefold())
    return unsafe, shared


def _slugs_they_have(dids: Iterable[SpectrumId], held: Mapping[str, SpectrumId]) -> dict[SpectrumId, str]:
    owners = {did for name, did in held.items() if name != _folded(did)}
    slugs = {did: _slug_it_has(did, held) for did in dids if did in owners} if owners else {}
    return {did: slug for did, slug in slugs.items() if slug is not None}


def _slug_it_has(did: SpectrumId, held: Mapping[str, SpectrumId]) -> str | None:
    """The slug under which ``did`` is stored already, though its last segment may be free by now."""
    if held.get(_folded(did)) == did:
        return None
    slugs = (slug_name(did, digits) for digits in (8, 64))
    return next((slug for slug in slugs if held.get(slug.casefold()) == did), None)


def _lengthen_clashes(special: dict[SpectrumId, str], held: Mapping[str, SpectrumId]) -> dict[SpectrumId, str]:
    """Slugs that meet after all (a 32-bit digest and the same legible part) get the whole digest."""
    folded = Counter(name.casefold() for name in special.values())
    clashing = {did for did, name in special.items() if folded[name.casefold()] > 1 or name.casefold() in held}
    return {did: slug_name(did, 64) if did in clashing else name for did, name in special.items()}
