"""Follow a run from outside: its event log and what the ledger says of it.

Nothing is locked and nothing written; a run does not notice that it is watched.
"""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..formatting import plain_line
from ..ledger.queries import RunRecord, last_run
from ..storage.atomic import is_running
from ..storage.errors import translate_os_errors
from ..storage.run_folder import StateFolder

RECENT = 12  # events that the page lists
_LARGEST_READ = 1 << 20  # bytes of one look; the rest follows with the next
_CHANGES = frozenset({"spectrum_saved", "spectrum_failed", "retry_scheduled"})
_PAUSES = {"harvest_paused": True, "harvest_resumed": False, "harvest_started": False, "harvest_ended": False}
_NUMBERS = ("listed", "present", "saved", "failed", "remaining", "requests", "bytes", "seconds")


class EventTail:
    """Reads what is appended to the event log of the newest run, whole lines only."""

    def __init__(self, state: StateFolder) -> None:
        self._runs = state.runs
        self._path: Path | None = None
        self._at = 0

    def skip(self) -> None:
        """Pass over what has happened so far: the ledger has it."""
        self._path = self._newest()
        self._at = self._path.stat().st_size if self._path else 0

    def read(self) -> list[dict[str, Any]]:
        """Return the events since the last call; those of an unfinished line later. StoreError."""
        with translate_os_errors(self._runs):
            newest = self._newest()
            if events := self._read():
                return events
            if newest == self._path:
                return []
            self._path, self._at = newest, 0
            return self._read()

    def _read(self) -> list[dict[str, Any]]:
        if self._path is None:
            return []
        try:
            with self._path.open("rb") as file:
                self._at = min(self._at, file.seek(0, os.SEEK_END))
                file.seek(self._at)
                text = file.read(_LARGEST_READ)
        except FileNotFoundError:  # the folders of old runs may be removed
            return []
        end = text.rfind(b"\n") + 1
        self._at += end
        return list(_events(text[:end]))

    def _newest(self) -> Path | None:
        """Return the event log of the latest run that has one; names begin with the time."""
        if not self._runs.is_dir():
            return None
        folders = sorted((entry.name for entry in os.scandir(self._runs) if entry.is_dir()), reverse=True)
        state = StateFolder(self._runs.parent)
        logs = (state.run(name).events for name in folders)
        return next((log for log in logs if log.is_file()), None)


def _events(lines: bytes) -> Iterator[dict[str, Any]]:
    for line in lines.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a disk that was full cuts lines
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            yield event


@dataclass(slots=True)
class LiveRun:
    """What the page shows of a run: its numbers, and the latest events."""

    ledger: Path
    recent: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    pause: str = ""

    def observe(self, events: list[dict[str, Any]]) -> list[str]:
        """Take events in, and return the DIDs of the spectra that they changed."""
        changed: dict[str, None] = {}
        for event in events:
            name = event["event"]
            if name in _PAUSES:
                self.pause = plain_line(str(event.get("reason", ""))) if _PAUSES[name] else ""
            if name in _CHANGES and isinstance(event.get("id"), str):
                changed[event["id"]] = None
            self.recent.appendleft(_shown(event))
        return list(changed)

    def status(self) -> dict[str, Any]:
        """Return state and numbers of the last run. StoreError."""
        record = last_run(self.ledger)
        if record is None:
            return {"state": "none", "recent": []}
        summary = record.summary
        return {
            "run": record.run,
            "archive": plain_line(record.archive),
            "state": state_of(record),
            "started": record.started,
            "reason": plain_line(str(summary.get("reason", ""))),
            "pause": self.pause,
            "recent": list(self.recent),
            **{name: summary.get(name, 0) for name in _NUMBERS},
        }


def state_of(record: RunRecord) -> str:
    """Return ``ended``, ``running`` or ``interrupted``; one on another host is running."""
    if record.ended is not None:
        return "ended"
    return "running" if record.host != socket.gethostname() or is_running(record.pid) else "interrupted"


def _shown(event: dict[str, Any]) -> dict[str, str]:
    """Return an event as the page lists it: plain text only."""
    parts = (event.get(name) for name in ("name", "object", "kind", "reason", "detail"))
    text = " · ".join(plain_line(str(part), 120) for part in parts if part)
    return {"time": str(event.get("time") or "")[:19], "event": event["event"].replace("_", " "), "text": text}
