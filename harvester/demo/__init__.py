"""Serve the demo archive.

It is a local server that responds like the Ondrejov archive, with synthetic spectra. It is the other end of the wire,
so it shares no code with what downloads and verifies.
"""

from __future__ import annotations

from .catalog import COLLECTION, DemoRow, listed_dids, listing
from .config import DEMO_COUNT, DemoArchive, RunningArchive
from .faults import FAULTS, Fault, FaultPlan, Planned, parse_faults
from .request_log import RequestLog
from .server import serve, serve_forever

__all__ = [
    "COLLECTION",
    "DEMO_COUNT",
    "FAULTS",
    "DemoArchive",
    "DemoRow",
    "Fault",
    "FaultPlan",
    "Planned",
    "RequestLog",
    "RunningArchive",
    "listed_dids",
    "listing",
    "parse_faults",
    "serve",
    "serve_forever",
]
