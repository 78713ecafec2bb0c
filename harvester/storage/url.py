"""Where in an object store a harvest goes, as its users write it: ``s3://bucket/prefix`` and the like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("s3", "gs", "az", "file")


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """A URL without a trailing slash, and without anything secret in it."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def folder(self) -> Path:
        """A relative path that is this address's own: where what is known of it can be kept."""
        scheme, _, rest = self.url.partition("://")
        return Path(scheme, rest.lstrip("/"))


def parse_address(text: str) -> ObjectAddress:
    """ValueError, in words that repeat nothing of the address, if it is none that harvester can store into."""
    try:
        there = urlsplit(text)
    except ValueError:  # a bracket that begins no IPv6 address
        raise ValueError(_EXPECTED) from None
    if there.username is not None or there.query or there.fragment:
        raise ValueError("no keys or options belong into the address: credentials come from the environment alone")
    if there.scheme not in SCHEMES or bool(there.netloc) == (there.scheme == "file") or not text.isprintable():
        raise ValueError(_EXPECTED)
    parts = there.path.strip("/").split("/")
    if there.path.strip("/") and not all(part.strip(". ") for part in parts):
        raise ValueError("its path has an empty part, or one of dots alone")
    return ObjectAddress(text.rstrip("/"))


_EXPECTED = "a folder is expected, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER"
