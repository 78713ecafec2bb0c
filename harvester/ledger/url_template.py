"""Keep the URLs of a run once, where they follow from the DIDs.

The ledger then has the run's template instead of each URL. The view ``spectrum`` puts the URL together again, with the
same replacements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

FROM_TEMPLATE = 0
"""Stands for such a URL in a statement; the statement writes the number of the run."""


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """What stands before and behind the DID in the URLs of a run."""

    before: str
    behind: str

    @classmethod
    def of(cls, did: str, url: str) -> Self | None:
        """Return the template of ``url``; None if ``did`` is not in it once."""
        before, found, behind = url.partition(_encoded(did))
        return cls(before, behind) if found and _encoded(did) not in behind else None

    def shortened(self, did: str, url: str | None) -> str | int | None:
        """Return ``FROM_TEMPLATE`` if ``url`` follows from the template, else ``url``."""
        return FROM_TEMPLATE if url == f"{self.before}{_encoded(did)}{self.behind}" else url


def _encoded(did: str) -> str:
    """Return ``did`` as most URLs have it.

    A spectrum whose DID has other special characters keeps its URL.
    """
    return did.replace(":", "%3A").replace("/", "%2F").replace("?", "%3F")
