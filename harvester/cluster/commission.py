"""What a hand has to know of the harvest, whichever machine it is on, and how it gets ready for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from .. import events as ev
from ..archive.client import WebArchive
from ..archive.routes import Route
from ..expectation import Expectation
from ..limits import Limits
from ..outcomes import Rejected, Verified
from ..seams import Shelf
from ..settings import Configuration
from ..shelves import absolute, shelf_at
from ..spectra import Target
from ..stores.address import ObjectAddress
from ..verify import inspect


@dataclass(frozen=True, slots=True)
class Commission:
    """How spectra are asked for, what they must prove, and where they go. Paths are absolute: a hand may be anywhere.

    ``refresh``: what is stored already is replaced.
    """

    route: Route
    limits: Limits
    contact: str | None
    expected: Expectation
    place: ObjectAddress | Path
    home: Path
    refresh: bool = False

    @classmethod
    def of(cls, configuration: Configuration) -> Commission:
        settings = configuration.settings
        return cls(
            configuration.route,
            settings.limits,
            settings.contact,
            configuration.expectation,
            *absolute(configuration),
            settings.refresh,
        )

    def shelf(self) -> Shelf:
        """The store. StoreError if it cannot be used from here."""
        return shelf_at(self.place, self.home, self.refresh)

    def archive(
        self, emit: Callable[[ev.Event], None], turn: Callable[[], Awaitable[bool]], wall: Callable[[], float]
    ) -> WebArchive:
        """The archive, as one hand asks it."""
        return WebArchive(self.route, self.limits, self.contact, emit, turn, wall)

    def prove(self, target: Target, body: bytes) -> Verified | Rejected:
        """Whether ``body`` is the spectrum."""
        return inspect(body, target.did, self.expected)
