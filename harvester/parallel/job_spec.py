"""What a hand has to know of the harvest, whichever machine it is on, and how it gets ready for it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from .. import events as ev
from .._version import __version__
from ..archive.access import AccessMethod
from ..archive.client import ArchiveClient
from ..archive.connection import STRAIGHT, Connection
from ..config.configuration import Configuration
from ..errors import ClusterError
from ..model.limits import Limits
from ..model.outcomes import FailedCheck, VerifiedSpectrum
from ..model.target import Target
from ..storage.interface import Store
from ..storage.layout import remove_all_stale_temp_files
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from ..verify import verify_spectrum
from ..verify.expectation import Expectation


@dataclass(frozen=True, slots=True)
class JobSpec:
    """How spectra are asked for, what they must prove, and where they go. Paths are absolute: a hand may be anywhere.

    refresh: what is stored already is replaced. run: the run's own folder, which whoever stores beside it can see.
    version: of harvester, which all have to share.
    """

    route: AccessMethod
    limits: Limits
    contact: str | None
    expected: Expectation
    place: ObjectAddress | Path
    home: Path
    run: Path
    refresh: bool = False
    connection: Connection = STRAIGHT
    version: str = __version__

    @classmethod
    def of(cls, configuration: Configuration, run: Path) -> JobSpec:
        settings = configuration.settings
        return cls(
            configuration.access,
            settings.limits,
            settings.contact,
            configuration.expectation,
            *configuration.absolute_locations(),
            run.absolute(),
            settings.refresh,
            configuration.connection,
        )

    def open_store(self) -> Store:
        """The store. StoreError if it cannot be used from here, ClusterError if it is another one that has its name."""
        here = socket.gethostname()
        if self.version != __version__:
            raise ClusterError(f"the run has harvester {self.version}, its worker {here} has {__version__}: update one")
        if isinstance(self.place, Path) and not self.run.is_dir():
            raise ClusterError(
                f"{self.place}: the worker {here} sees another folder there than the run does, or none; --out must be "
                "on a disk that all of them share, or in an object store"
            )
        return open_store(self.place, self.home, self.refresh)

    def sweep(self) -> None:
        """Remove what killed hands of this machine left half-written. StoreError."""
        if isinstance(self.place, Path):
            remove_all_stale_temp_files(self.place)

    def archive(
        self, emit: Callable[[ev.Event], None], turn: Callable[[], Awaitable[bool]], wall: Callable[[], float]
    ) -> ArchiveClient:
        """The archive, as one hand asks it."""
        return ArchiveClient(self.route, self.limits, self.contact, emit, turn, wall, self.connection)

    def verify(self, target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
        """Whether ``body`` is the spectrum."""
        return verify_spectrum(body, target.did, self.expected)
