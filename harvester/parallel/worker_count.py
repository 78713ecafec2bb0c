"""Decide how many worker processes download, where the settings leave it open.

The figures are those of files of 37 kB from a server on the same machine, where nothing else limits the pace: the CPU
time of one spectrum was 0.77 ms for one process (and 0.38 ms in its storage process), 1.09 ms in a worker, and 0.35 ms
in the coordinator of workers. On other machines all differ by about the same factor, so that the counts stay right.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

PER_PROCESS = 1_300  # spectra a second that one process downloads
PER_WORKER = 900  # spectra a second that a worker downloads
MOST_WORKERS = 3  # the coordinator, one process, keeps up with 2,800 spectra a second
LEAST_SPECTRA = 2_000  # of each worker: starting workers takes half a second, which two make up for with twice as many

_GROUPS = Path("/sys/fs/cgroup")


def usable_cores(group: str | None = None, groups: Path = _GROUPS) -> int:
    """Return how many cores this process may use.

    Those are the ones of its affinity, up to the quota of its cgroup.

    group: its cgroup (v2); None for what the system says. A machine without affinities or cgroups has no such limits.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = _quotas(groups, _own_group() if group is None else group)
    return max(1, math.floor(min([*quotas, cores])))


def _own_group() -> str:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()  # cgroups(7): "0::/user.slice"
    except OSError:
        return ""
    return next((line[len("0::") :] for line in lines if line.startswith("0::")), "")


def _quotas(groups: Path, group: str) -> list[float]:
    """Return the quotas, in cores, of a cgroup and of those above it."""
    return [quota for folder in _folders(groups, group) if (quota := _quota(folder)) is not None]


def _folders(groups: Path, group: str) -> Iterator[Path]:
    yield groups
    for name in Path(group.lstrip("/")).parts:
        groups /= name
        yield groups


def _quota(folder: Path) -> float | None:
    """Return the cores that ``cpu.max`` grants; None if it grants all, or cannot be read."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)  # "max" is no number
    except (OSError, ValueError, ZeroDivisionError):
        return None


def worker_count(spectra: int, rate: float, concurrency: int, cores: int) -> int:
    """Return how many worker processes download ``spectra`` the fastest.

    1 is the run's own process alone. rate: requests a second that are allowed, 0 for no limit. concurrency: requests in
    flight that are allowed. One of the ``cores`` is for the coordinator.
    """
    if rate and rate <= PER_PROCESS:
        return 1
    useful = math.ceil(rate / PER_WORKER) if rate else MOST_WORKERS
    return max(1, min(useful, MOST_WORKERS, concurrency, cores - 1, spectra // LEAST_SPECTRA))
