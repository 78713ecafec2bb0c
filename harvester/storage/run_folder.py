"""Name every file of one run, below ``.harvester/runs/<run>/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNS = "runs"
PROVENANCE, PROFILE = "provenance.json", "profile.toml"
SUMMARY, EVENTS, SETTINGS, LOG, PROCESS_LOG = (
    "summary.json",
    "events.jsonl",
    "config.toml",
    "harvester.log",
    "processes.log",
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run, and the files that it contains."""

    path: Path

    @classmethod
    def of(cls, state: Path, run: str) -> RunFolder:
        """Return the folder of the run ``run`` in the state folder ``state`` (``.harvester``)."""
        return cls(state / RUNS / run)

    @property
    def summary(self) -> Path:
        """Return the path of the run's numbers, written when it has ended."""
        return self.path / SUMMARY

    @property
    def events(self) -> Path:
        """Return the path of the event log, one JSON object a line."""
        return self.path / EVENTS

    @property
    def settings(self) -> Path:
        """Return the path of all settings of the run, as a config.toml that sets them."""
        return self.path / SETTINGS

    @property
    def profile(self) -> Path:
        """Return the path of the archive's profile."""
        return self.path / PROFILE

    @property
    def provenance(self) -> Path:
        """Return the path of the W3C PROV document."""
        return self.path / PROVENANCE

    @property
    def log(self) -> Path:
        """Return the path of the log, which contains the tracebacks of internal errors."""
        return self.path / LOG

    @property
    def process_log(self) -> Path:
        """Return the path of what worker processes write to standard error."""
        return self.path / PROCESS_LOG
