"""File names for publisher DIDs.

Safe on every file system, stable, and never two spectra under one name.

A DID's last segment names the file (``ivo://asu.cas.cz/stel/ccd700/sh270028`` is ``sh270028.fits``; so is
``.../sh270028.fits``). A segment that is unsafe somewhere, or that two DIDs of the catalog share (also when only case
differs: macOS, Windows), is replaced by a slug of the whole path and 8 hex digits of the DID's BLAKE2b digest. Segments
that already look like such a slug count as unsafe, so that the two kinds of name can never be equal.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..model.target import SpectrumId, Target, parse_did
from .did_index import DidIndex, folded, is_plain, last_segment
from .packed_strings import StringIndex

_UNSAFE_RUN = re.compile(r"[^A-Za-z0-9]+")
_SLUG = re.compile(r"[A-Za-z0-9_]+-(?:[0-9a-f]{8}|[0-9a-f]{64})")
_SLUG_LENGTH = 60
_DIGITS = (8, 64)  # hex digits of a slug's digest: 64 where two DIDs have the same 8


def plain_name(did: SpectrumId) -> str | None:
    """Return the DID's last segment, without ``.fits``, if it is a safe file name.

    None if it is unsafe on some file system.
    """
    segment = last_segment(did)
    return segment if is_plain(segment) else None


def slug_name(did: SpectrumId, digits: int = 8) -> str:
    """Return a name from the DID's path and ``digits`` hex digits of the DID's digest."""
    path = did.partition("://")[2].partition("/")[2] if "://" in did else did
    legible = _UNSAFE_RUN.sub("_", path).strip("_")[-_SLUG_LENGTH:].lstrip("_") or "spectrum"
    return f"{legible}-{hashlib.blake2b(did.encode(), digest_size=32).hexdigest()[:digits]}"


def is_slug(name: str) -> bool:
    """Return whether ``name`` has the form of a slug."""
    return _SLUG.fullmatch(name) is not None


def is_spectrum_name(name: str) -> bool:
    """Return whether some spectrum's file may have this name (without ``.fits``)."""
    return plain_name(SpectrumId(f"ivo://a/{name}")) == name or is_slug(name)


def possible_names(did: SpectrumId) -> tuple[str, ...]:
    """Return every name that the file of ``did`` may have.

    Which one it has depends on what else is in catalog and ledger.
    """
    plain = plain_name(did)
    slugs = tuple(slug_name(did, digits) for digits in _DIGITS)
    return slugs if plain is None else (plain, *slugs)


def other_names(did: SpectrumId, name: str) -> Iterator[str]:
    """Yield the names besides ``name`` that the file of ``did`` may have."""
    return (other for other in possible_names(did) if other != name)


def did_named(text: str | None, name: str) -> SpectrumId | None:
    """Return ``text`` as a DID if it is one whose file may be called ``name``."""
    try:
        did = parse_did(text or "")
    except ValueError:
        return None
    return did if name in possible_names(did) else None


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one catalog's spectra: ``names.of(did)`` for each of its DIDs.

    A DID is named by its last segment if that is safe and not ``shared`` (case-folded), else by its slug; ``special``
    has those that are named otherwise.
    """

    special: Mapping[SpectrumId, str] = field(default_factory=dict)
    collisions: int = 0
    shared: frozenset[str] = frozenset()

    def of(self, did: SpectrumId) -> str:
        """Return the name of a DID of the catalog."""
        return self.special.get(did) or self.usual(did)

    def usual(self, did: SpectrumId) -> str:
        """Return the name of a DID that is not special."""
        segment = last_segment(did)
        alone = is_plain(segment) and not (self.shared and segment.casefold() in self.shared)
        return segment if alone else slug_name(did)

    def target(self, did: SpectrumId, address: str = "") -> Target:
        """Return the target for a DID of the catalog."""
        return Target(did, self.of(did), address)


def names_of(segments: DidIndex, held: Mapping[str, SpectrumId]) -> Names:
    """Return the names of a catalog's DIDs.

    ``held`` (case-folded name to DID) are names that files have already: a DID keeps the name it has there, and no
    other DID gets it. Names as expected may be left out of it.
    """
    dids, shared = segments.dids, frozenset(segments.shared)
    special: dict[SpectrumId, str] = {}
    unsafe = array("I", (number for number in segments.others if plain_name(dids[number]) is None))
    crossed = array("I", _crossed(segments, held, special) if shared or held else ())
    usual = Names({}, len(crossed), shared)
    slugs = StringIndex(lambda place: slug_name(dids[slugged[place]]).casefold(), len(unsafe) + len(crossed))
    slugged = unsafe + crossed
    for place, number in enumerate(slugged):
        did, slug = dids[number], slug_name(dids[number])
        first = dids[slugged[slugs.setdefault(slug.casefold(), place)]]
        kept = _held_slug(did, held)
        if kept is None and (first != did or slug.casefold() in held):
            kept = slug_name(did, 64)
        if first != did and _held_slug(first, held) is None:
            special[first] = slug_name(first, 64)
        name = kept or slug
        if name != slug or (place >= len(unsafe) and name != usual.of(did)):
            special[did] = name
    return replace(usual, special=special)


def _crossed(segments: DidIndex, held: Mapping[str, SpectrumId], special: dict[SpectrumId, str]) -> Iterator[int]:
    """Yield the numbers of DIDs whose safe segment is another's too.

    It counts as well if it was another's when they got their name.

    One that has the segment as its name and keeps it is added to ``special``.
    """
    slugged = {did for name, did in held.items() if plain_name(did) is not None and name != folded(did)}
    for number, did in enumerate(segments.dids):
        segment = plain_name(did)
        if segment is None:
            continue
        key = segment.casefold()
        owner = held.get(key)
        if owner == did:
            if key in segments.shared:
                special[did] = segment
        elif owner is not None or key in segments.shared or (did in slugged and _held_slug(did, held)):
            yield number


def _held_slug(did: SpectrumId, held: Mapping[str, SpectrumId]) -> str | None:
    """Return the slug under which ``did`` is stored already.

    Its last segment may be free by now.
    """
    if not held or held.get(folded(did)) == did:
        return None
    slugs = (slug_name(did, digits) for digits in _DIGITS)
    return next((slug for slug in slugs if held.get(slug.casefold()) == did), None)
