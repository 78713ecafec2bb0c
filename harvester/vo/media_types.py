"""Media types of listed files: which can be read as a spectrum, and which to prefer.

Archives write one type in many ways (``application/fits``, ``image/fits``, ``Application/X-FITS-bintable``, ``fits``),
and types have no case (RFC 9110, section 8.3.1). Whether a file can be used depends on its kind alone.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from urllib.parse import unquote, urlsplit

_FITS_NAME = re.compile(r"\.(?:fits?|fts|fz)(?:\.(?:gz|fz|z))?$", re.IGNORECASE)
_VOTABLE_NAME = re.compile(r"\.(?:vot|votable|xml)(?:\.gz)?$", re.IGNORECASE)
_OTHER_NAME = re.compile(
    r"\.(?:tar|tgz|zip|7z|bz2|pdf|ps|png|jpe?g|gif|svg|html?|txt|csv|tsv|dat|asc|ascii|json)(?:\.(?:gz|z|bz2))?$",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"(?:\*|application|binary|content|unknown)/"
    r"(?:\*|octet-stream|(?:x-)?(?:gzip|unknown|binary|data|download|force-download|spectrum))"
)  # types that say nothing about what is in a file
_OTHER_WORDS = ("text", "image", "graphic", "graphics", "preview", "metadata", "link", "page")


class MediaKind(IntEnum):
    """What a file is, best first.

    FITS comes before a document of links, then types that do not say, then VOTable.
    """

    FITS = 0
    DATALINK = 1
    UNDECIDED = 2
    VOTABLE = 3
    OTHER = 4

    @property
    def is_readable(self) -> bool:
        """Whether a spectrum may be in it."""
        return self is not MediaKind.OTHER


@lru_cache(256)  # a list has a handful of types
def bare_media_type(text: str) -> str:
    """Return a media type in lower case, without blanks around its parts."""
    return ";".join(part.strip().replace('"', "") for part in text.casefold().split(";")).strip(";")


def media_kind(media_type: str, url: str = "") -> MediaKind:
    """Return the kind of a file by its media type.

    Where the type does not say, the name in its ``url`` does.
    """
    text = bare_media_type(media_type)
    essence = text.partition(";")[0]
    if "content=datalink" in text.replace(" ", ""):
        return MediaKind.DATALINK
    if "fits" in essence or essence.endswith("/x-bintable"):
        return MediaKind.FITS
    if "votable" in text or essence in ("text/xml", "application/xml", "xml"):
        return MediaKind.VOTABLE
    if not essence or _UNDECIDED.fullmatch(essence) or _is_a_word(essence):
        return _kind_by_name(url)
    if essence == "text/plain" and _kind_by_name(url) is MediaKind.FITS:  # what servers say of names that they lack
        return MediaKind.FITS
    return MediaKind.OTHER


def _is_a_word(essence: str) -> bool:
    """Return whether a type is a word that leaves the format open, as ``native``."""
    return "/" not in essence and essence not in _OTHER_WORDS and not _OTHER_NAME.search(f".{essence}")


def _kind_by_name(url: str) -> MediaKind:
    """Return the kind that the ending of a file's name says.

    The name is in the path, or else in a parameter.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MediaKind.UNDECIDED
    names = [unquote(parts.path), *(unquote(pair.partition("=")[2]) for pair in parts.query.split("&"))]
    for kind, pattern in (
        (MediaKind.FITS, _FITS_NAME),
        (MediaKind.VOTABLE, _VOTABLE_NAME),
        (MediaKind.OTHER, _OTHER_NAME),
    ):
        if any(pattern.search(name) for name in names):
            return kind
    return MediaKind.UNDECIDED
