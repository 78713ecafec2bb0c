"""Gather every limit and timeout of a run in one value and one TOML table (``[limits]``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits and timeouts, in seconds, requests per second, bytes and counts.

    The annotations are enforced when settings are loaded.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "allow_inf_nan": False}

    concurrency: Annotated[int, Ge(1), Le(512)] = 8
    """Maximum number of requests in flight."""
    rate: Annotated[float, Ge(0), Le(10_000)] = 5.0
    """Maximum number of requests per second, evenly spaced; 0 is no limit."""
    attempts: Annotated[int, Ge(1), Le(100)] = 6
    """Maximum number of attempts for one spectrum."""
    first_wait: Annotated[float, Gt(0)] = 5.0
    """Upper bound of the first retry delay in seconds (full jitter); multiplied by four for each further attempt."""
    max_wait: Annotated[float, Gt(0)] = 1800.0
    """Upper bound of every retry delay in seconds."""
    connect_timeout: Annotated[float, Gt(0)] = 15.0
    """Seconds to establish one connection."""
    read_timeout: Annotated[float, Gt(0)] = 120.0
    """Seconds without a byte after which a response is abandoned; a busy archive computes for many seconds."""
    total_timeout: Annotated[float, Gt(0)] = 600.0
    """Seconds for one whole response; DaCHS goes on computing for a client that hung up, so a long wait costs less."""
    max_bytes: Annotated[int, Ge(2880)] = 16 * 1024 * 1024
    """Largest spectrum in bytes; bodies take at most twice ``concurrency`` times this of memory."""
    grace: Annotated[float, Ge(0)] = 30.0
    """Seconds that requests in flight may take to end after the first Ctrl-C."""
    max_outage: Annotated[float, Gt(0)] = 12 * 3600.0
    """Seconds without a working archive before the run ends; it is probed every few minutes."""
    disk_wait: Annotated[float, Ge(0)] = 60.0
    """Seconds that a run waits for free space on a full disk before it ends, without sending requests."""
