"""The publisher DID of a spectrum.

An opaque identifier, sent as it is, compared character by character. IVOA Identifiers 2.0 lets the registry part of an
``ivo://`` compare without regard to case, but archives do not (DaCHS answers 404 to another case), so nothing here
normalises anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

SpectrumId = NewType("SpectrumId", str)

_DID = re.compile(r"(?ai:ivo)://[^/]+/+[^/]")  # an authority, and a path that is more than slashes
LONGEST_DID = 1024  # far above any archive's, far below a request line that DaCHS drops (16 kB)


@dataclass(frozen=True, slots=True)
class Target:
    """One wanted spectrum, and the stem (no folder, no ``.fits``) of the file that stores it.

    ``address`` is the access URL that the catalog gives, where it gives one. ``stored``: a refresh requests it again,
    and a version of it stays on disk until it is replaced.
    """

    did: SpectrumId
    name: str
    address: str = ""
    stored: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.name}.fits"


def parse_did(text: str) -> SpectrumId:
    """Return the identifier in ``text``.

    ValueError, with what is wrong in words, if it cannot be a publisher DID.
    """
    if len(text) <= LONGEST_DID and text.isprintable() and _DID.match(text):
        return SpectrumId(text)
    raise ValueError(_what_is_wrong_with(text))


def parse_identifier(text: str) -> SpectrumId:
    """Return any identifier in ``text``, as archives without publisher DIDs have them.

    That may be an address or a number. ValueError, in a clause, if it cannot be one.
    """
    if text and len(text) <= LONGEST_DID and text.isprintable():
        return SpectrumId(text)
    raise ValueError(_unfit(text) or "it is empty")


def names_of_file(did: str) -> tuple[str, ...]:
    """Return what a file of ``did`` may call itself.

    Of several files of one dataset, which a catalog has as ``DID#file``, each may name the dataset.
    """
    dataset, separator, _ = did.partition("#")
    return (did, dataset) if separator and dataset else (did,)


def _unfit(text: str) -> str:
    if len(text) > LONGEST_DID:
        return f"it is longer than {LONGEST_DID} characters"
    return "" if text.isprintable() else "it contains a control character"


def _what_is_wrong_with(text: str) -> str:
    if _unfit(text):
        return _unfit(text)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() != "ivo":
        return "a publisher DID begins with ivo://"
    return "a publisher DID has an authority and a path: ivo://authority/path"
