"""``python -m harvester`` as a process of its own, and what it tells meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
QUICK = {"first_wait": "0.1", "max_wait": "1", "rate": "0"}


def environment() -> dict[str, str]:
    limits = {f"HARVESTER_LIMITS__{name.upper()}": value for name, value in QUICK.items()}
    return {**os.environ, **limits, "PYTHONPATH": str(HERE)}


def harvester(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    command = [sys.executable, "-m", "harvester", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


@dataclass(slots=True)
class Harvest:
    """A run in a process of its own; ``events`` are those that were waited for so far."""

    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    def until(self, event: str, times: int = 1) -> None:
        """Waits for that many further events of the kind."""
        for shown in self._printed_events():
            times -= shown["event"] == event
            if not times:
                return
        raise AssertionError(f"the harvest ended without {event}: {self.events[-1]}")

    def end(self) -> int:
        """The exit code."""
        for _ in self._printed_events():
            pass
        return self.process.wait()

    def count(self) -> Counter[str]:
        return Counter(shown["event"] for shown in self.events)

    def failures(self) -> Counter[str]:
        """The kinds for which spectra were given up."""
        return Counter(shown["kind"] for shown in self.events if shown["event"] == "spectrum_failed")

    def _printed_events(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            yield self.events[-1]


@contextmanager
def harvesting(*arguments: str) -> Iterator[Harvest]:
    """``run`` with these arguments; killed where the context is left before its end."""
    command = [sys.executable, "-m", "harvester", "run", *arguments, "--progress", "json"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Harvest(process)
        finally:
            process.kill()
