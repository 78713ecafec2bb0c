"""What a worker must know of the harvest, on any machine, and how it prepares for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import events as ev
from .._version import __version__
from ..archive.access import AccessMethod
from ..archive.client import ArchiveClient
from ..archive.connection import STRAIGHT, Connection
from ..engine.interfaces import Throttle
from ..errors import ClusterError
from ..model.expectation import Expectation
from ..model.limits import Limits
from ..model.outcomes import LongVerification, Verdict
from ..model.target import Target
from ..storage.interface import Store
from ..storage.layout import remove_all_stale_temp_files
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from ..verify import verify_soon

if TYPE_CHECKING:
    from ..config.configuration import Configuration  # with pydantic, a third of what a worker would load


@dataclass(frozen=True, slots=True)
class JobSpec:
    """How spectra are requested and verified, and where they are stored. Paths are absolute.

    ``refresh``: replace what is stored. ``run`` is the run's own folder, which shows whether a worker sees the same
    disk. ``phases``: those of attempts of which events are read. ``version`` is harvester's, which all must share.
    """

    access: AccessMethod
    limits: Limits
    contact: str | None
    expected: Expectation
    location: ObjectAddress | Path
    home: Path
    run: Path
    refresh: bool = False
    connection: Connection = STRAIGHT
    phases: frozenset[ev.Phase] = frozenset(ev.Phase)
    version: str = __version__

    @classmethod
    def of(
        cls, configuration: Configuration, run: Path, is_read: Callable[[ev.Kind], bool] = lambda kind: True
    ) -> JobSpec:
        """Return the job of a run with this configuration.

        Its observers read the kinds of events for which ``is_read`` returns True.
        """
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
            frozenset(filter(is_read, ev.Phase)),
        )

    def is_read(self, kind: ev.Kind) -> bool:
        """Return whether the run reads events of this kind.

        It needs all that are no phases, to keep track of a shard.
        """
        return not isinstance(kind, ev.Phase) or kind in self.phases

    def open_store(self) -> Store:
        """Open the store.

        StoreError if it cannot be used from here, ClusterError if it is another one of that name.
        """
        host = socket.gethostname()
        if self.version != __version__:
            raise ClusterError(f"the run has harvester {self.version}, its worker {host} has {__version__}: update one")
        if isinstance(self.location, Path) and not self.run.is_dir():
            raise ClusterError(
                f"{self.location}: the worker {host} sees another folder there than the run does, or none; --out must "
                "be on a disk that all of them share, or in an object store"
            )
        return open_store(self.location, self.home, self.refresh)

    def sweep(self) -> None:
        """Remove what killed workers of this machine left half-written. StoreError if that fails."""
        if isinstance(self.location, Path):
            remove_all_stale_temp_files(self.location)

    def archive(
        self, emit: Callable[[ev.Event], None], throttle: Throttle, draining: asyncio.Event, clock: Callable[[], float]
    ) -> ArchiveClient:
        """Return a client of the archive for one worker."""
        return ArchiveClient(
            self.access, self.limits, self.contact, emit,
            partial(throttle.acquire_followup, draining), clock, self.connection,
            partial(throttle.acquire_repeat, draining), throttle.sent, throttle.confirm,
        )  # fmt: skip

    def verify(self, target: Target, body: bytes) -> Verdict | LongVerification:
        """Return what the checks say of ``body``."""
        return verify_soon(body, target.did, self.expected)
