"""What a hand has to know of the harvest, whichever machine it is on, and how it gets ready for it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from .. import events as ev
from .._version import __version__
from ..archive.access import Route
from ..archive.client import WebArchive
from ..config.configuration import Configuration, absolute
from ..errors import ClusterError
from ..model.limits import Limits
from ..model.outcomes import Rejected, Verified
from ..model.target import Target
from ..storage.interface import Shelf
from ..storage.layout import sweep_all
from ..storage.open_store import shelf_at
from ..storage.url import ObjectAddress
from ..verify import inspect
from ..verify.expectation import Expectation


@dataclass(frozen=True, slots=True)
class Commission:
    """How spectra are asked for, what they must prove, and where they go. Paths are absolute: a hand may be anywhere.

    refresh: what is stored already is replaced. run: the run's own folder, which whoever stores beside it can see.
    version: of harvester, which all have to share.
    """

    route: Route
    limits: Limits
    contact: str | None
    expected: Expectation
    place: ObjectAddress | Path
    home: Path
    run: Path
    refresh: bool = False
    version: str = __version__

    @classmethod
    def of(cls, configuration: Configuration, run: Path) -> Commission:
        settings = configuration.settings
        return cls(
            configuration.route,
            settings.limits,
            settings.contact,
            configuration.expectation,
            *absolute(configuration),
            run.absolute(),
            settings.refresh,
        )

    def shelf(self) -> Shelf:
        """The store. StoreError if it cannot be used from here, ClusterError if it is another one that has its name."""
        here = socket.gethostname()
        if self.version != __version__:
            raise ClusterError(f"the run has harvester {self.version}, its worker {here} has {__version__}: update one")
        if isinstance(self.place, Path) and not self.run.is_dir():
            raise ClusterError(
                f"{self.place}: the worker {here} sees another folder there than the run does, or none; --out must be "
                "on a disk that all of them share, or in an object store"
            )
        return shelf_at(self.place, self.home, self.refresh)

    def sweep(self) -> None:
        """Remove what killed hands of this machine left half-written. StoreError."""
        if isinstance(self.place, Path):
            sweep_all(self.place)

    def archive(
        self, emit: Callable[[ev.Event], None], turn: Callable[[], Awaitable[bool]], wall: Callable[[], float]
    ) -> WebArchive:
        """The archive, as one hand asks it."""
        return WebArchive(self.route, self.limits, self.contact, emit, turn, wall)

    def prove(self, target: Target, body: bytes) -> Verified | Rejected:
        """Whether ``body`` is the spectrum."""
        return inspect(body, target.did, self.expected)
