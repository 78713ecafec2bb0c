"""Configure a demo archive, and name the URLs of a running one."""

from __future__ import annotations

from dataclasses import dataclass, field

from .faults import FaultPlan
from .request_log import RequestLog

DEMO_COUNT = 300
"""How many spectra it lists by default."""


@dataclass(frozen=True, slots=True)
class DemoArchive:
    """The content and the behaviour of the archive.

    ``count`` spectra are listed and known; with ``knows_any`` every well-formed DID of the collection is.
    ``latency`` is the mean time in seconds to a response (half to one and a half of it, by the DID).
    ``workers`` computes that many requests at once, each for ``work`` seconds, and queues the others without a limit,
    as the one process of DaCHS does; a closed connection cancels nothing. ``drip`` is the pause in seconds in slow
    responses.
    """

    count: int = DEMO_COUNT
    knows_any: bool = False
    latency: float = 0.0
    faults: FaultPlan = field(default_factory=FaultPlan)
    workers: int | None = None
    work: float = 0.0
    drip: float = 0.05


@dataclass(frozen=True, slots=True)
class RunningArchive:
    """A running demo archive: its URLs and its log. ``url`` has no slash at its end."""

    config: DemoArchive
    url: str
    log: RequestLog

    @property
    def dlget(self) -> str:
        return f"{self.url}/ccd700/q/sdl/dlget"

    @property
    def dlmeta(self) -> str:
        return f"{self.url}/ccd700/q/sdl/dlmeta"

    @property
    def ssap(self) -> str:
        return f"{self.url}/ccd700/q/ssa/ssap.xml"

    @property
    def tap(self) -> str:
        return f"{self.url}/tap"
