"""Every file name below the state folder of a harvest, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STATE = ".harvester"
"""The state folder, inside the output folder."""

LEDGER = "ledger.sqlite"
QUARANTINE = "quarantine"
QUARANTINE_PATH = f"{STATE}/{QUARANTINE}"
"""The quarantine below an output folder or the prefix of an object store."""
PROVENANCE, PROFILE, SETTINGS = "provenance.json", "profile.toml", "config.toml"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The local folder ``.harvester``.

    Ledger, lock, layout mark, quarantine and the folders of the runs.
    """

    path: Path

    @classmethod
    def below(cls, home: Path) -> StateFolder:
        """Return the state folder of the harvest in the folder ``home``.

        ``home`` is the output folder or, for an object store, its local folder.
        """
        return cls(home / STATE)

    @property
    def home(self) -> Path:
        """The folder that contains the state folder, and is locked with it."""
        return self.path.parent

    @property
    def ledger(self) -> Path:
        """The SQLite database."""
        return self.path / LEDGER

    @property
    def lock(self) -> Path:
        """The file that names the process that holds the lock."""
        return self.path / "lock"

    @property
    def layout(self) -> Path:
        """The layout mark: ``flat`` or ``hashed``."""
        return self.path / "layout"

    @property
    def quarantine(self) -> Path:
        """Rejected bodies and the reason for each."""
        return self.path / QUARANTINE

    @property
    def listing(self) -> Path:
        """The spectra that the archive lists, for ``run --all``."""
        return self.path / "all.csv"

    @property
    def runs(self) -> Path:
        """The folders of all runs."""
        return self.path / "runs"

    def run(self, name: str) -> RunFolder:
        """Return the folder of the run called ``name``."""
        return RunFolder(self.runs / name)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder ``.harvester/runs/<run>`` of one run."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def state(self) -> StateFolder:
        """The state folder that contains it."""
        return StateFolder(self.path.parents[1])

    @property
    def settings(self) -> Path:
        """All settings in force, as a ``config.toml``."""
        return self.path / SETTINGS

    @property
    def profile(self) -> Path:
        """The archive profile in force."""
        return self.path / PROFILE

    @property
    def events(self) -> Path:
        """The event log, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """Python's log of this program, with the tracebacks of internal errors."""
        return self.path / "harvester.log"

    @property
    def process_log(self) -> Path:
        """What worker processes and the storage process wrote to their standard error."""
        return self.path / "processes.log"

    @property
    def summary(self) -> Path:
        """The run summary."""
        return self.path / "summary.json"

    @property
    def provenance(self) -> Path:
        """The W3C PROV document."""
        return self.path / PROVENANCE

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"
