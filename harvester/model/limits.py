"""Every limit of a harvest, in one value and one TOML table (``[limits]``): ceilings and patience, never goals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, requests a second, bytes and counts. The annotations are enforced where settings are read."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "allow_inf_nan": False}

    concurrency: Annotated[int, Ge(1), Le(512)] = 8
    """Most requests in flight at once."""
    rate: Annotated[float, Ge(0), Le(10_000)] = 5.0
    """Most requests a second; 0 is no limit."""
    attempts: Annotated[int, Ge(1), Le(100)] = 6
    """Most times one spectrum is asked for."""
    first_wait: Annotated[float, Gt(0)] = 5.0
    """Longest wait, in seconds, before a second attempt (chance decides); times four for each further one."""
    max_wait: Annotated[float, Gt(0)] = 1800.0
    """Longest wait, in seconds, before a spectrum is asked for again."""
    connect_timeout: Annotated[float, Gt(0)] = 15.0
    """Seconds for one connection to be made."""
    read_timeout: Annotated[float, Gt(0)] = 120.0
    """Seconds without a byte after which an answer is given up; the archive computes for seconds when it is busy."""
    total_timeout: Annotated[float, Gt(0)] = 600.0
    """Seconds for one whole answer. DaCHS goes on computing for clients that hung up: patience is cheaper for all."""
    max_bytes: Annotated[int, Ge(2880)] = 16 * 1024 * 1024
    """Largest spectrum in bytes; twice concurrency times this is all the memory that bodies can take."""
    grace: Annotated[float, Ge(0)] = 30.0
    """Seconds that requests in flight get to end after the first Ctrl-C."""
    max_outage: Annotated[float, Gt(0)] = 12 * 3600.0
    """Seconds that the archive may be away before the run ends; it is asked once every few minutes meanwhile."""
    disk_wait: Annotated[float, Ge(0)] = 60.0
    """Seconds that a full disk gets to have room again before the run ends; nothing is asked meanwhile."""
