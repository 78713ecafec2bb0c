"""The address of a harvest in an object store, as users write it.

An example is ``s3://bucket/prefix``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("s3", "gs", "az", "file")


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """A URL without a trailing slash and without secrets."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def folder(self) -> Path:
        """A relative path of its own, for the local state of this address."""
        scheme, _, rest = self.url.partition("://")
        return Path(scheme, rest.lstrip("/"))


def parse_address(text: str) -> ObjectAddress:
    """Parse the address of an object store.

    ValueError if it is none that harvester can write to; its message repeats nothing of the address, which may hold
    a secret.
    """
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket that begins no IPv6 address
        raise ValueError(_EXPECTED) from None
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("no keys or options belong into the address: credentials come from the environment alone")
    if parts.scheme not in SCHEMES or bool(parts.netloc) == (parts.scheme == "file") or not text.isprintable():
        raise ValueError(_EXPECTED)
    path = parts.path.strip("/")
    if path and not all(part.strip(". ") for part in path.split("/")):
        raise ValueError("its path has an empty part, or one of dots alone")
    return ObjectAddress(text.rstrip("/"))


_EXPECTED = "a folder is expected, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER"
