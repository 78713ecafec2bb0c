"""What a run left behind in words and numbers: its record, its summary, and what it was told to ask."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...errors import UsageError
from ...ledger import queries
from ...ledger.queries import FailureRecord, RunRecord
from ...model.invocation import command_line
from ...model.labels import Labelling
from ...storage.errors import translate_os_errors
from ...storage.interface import Store
from ...storage.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class RunRecordData:
    """One run's. ``summary`` has the fields of summary.json, as far as the run got; ``asked`` those of its config.toml.

    record: the ledger's, None if the ledger knows nothing of it; later: the runs after it; failures: what the folder
    lacks now, whichever run gave it up.
    """

    store: Store
    run: str
    record: RunRecord | None
    summary: Mapping[str, Any]
    asked: Mapping[str, Any] = field(default_factory=dict)
    later: Sequence[str] = ()
    failures: Sequence[FailureRecord] = ()
    request_key: str = ""

    @property
    def folder(self) -> RunFolder:
        """Where the run's files are."""
        return folder_of(self.store, self.run)

    @property
    def archive(self) -> str:
        """What the archive is called, as far as the run's own books know."""
        return self.record.archive if self.record else str(self.asked.get("archive", ""))

    @property
    def farewell_said(self) -> bool:
        """Whether the run ended in order, whatever came of it."""
        return self.summary.get("exit_code") is not None

    @property
    def politeness(self) -> Mapping[str, Any]:
        """The receipt; empty if the run was killed before it could write one."""
        told = self.summary.get("politeness")
        return told if isinstance(told, Mapping) else {}

    @property
    def labelling(self) -> Labelling:
        """What the run was told of its catalog's labels."""
        try:
            return TypeAdapter(Labelling).validate_python(self.asked.get("labels", {}))
        except ValidationError:  # a config.toml that somebody changed by hand
            return Labelling()


def folder_of(store: Store, run: str) -> RunFolder:
    """Return the run's own folder."""
    return store.state.run(run)


def read_run_record(store: Store, run: str | None = None) -> RunRecordData:
    """The books of ``run``, by default the latest. UsageError if there is no such run, StoreError if they cannot be
    read."""
    runs = queries.runs(store.ledger)
    chosen = run or next((record.run for record in runs), None)
    known = [record.run for record in runs]
    if chosen is None:
        raise UsageError(f"{store.location}: no harvest here to tell of; give a harvest's directory with --out DIR")
    if chosen not in known:
        told = f"the latest are {', '.join(known[:3])}" if known else "there is none"
        raise UsageError(f"RUN {chosen!r}: no such run in {store.location}; {told}")
    place = known.index(chosen)
    folder = folder_of(store, chosen)
    return RunRecordData(
        store,
        chosen,
        runs[place],
        _summary(folder) or runs[place].summary,
        _asked(folder),
        known[:place],
        queries.failures(store.ledger),
        queries.request_parameters(store.ledger) or "",
    )


def _summary(folder: RunFolder) -> Mapping[str, Any]:
    try:
        told = json.loads(_text(folder.summary) or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _asked(folder: RunFolder) -> Mapping[str, Any]:
    try:
        return tomllib.loads(_text(folder.settings))
    except tomllib.TOMLDecodeError:
        return {}


def _text(path: Path) -> str:
    """What is in ``path``; nothing if it is not there. StoreError if it cannot be read."""
    if not path.exists():
        return ""
    with translate_os_errors(path):
        return path.read_text("utf-8", "replace")


def again(store: Store, run: str | None) -> str:
    """The command that asks the same archive with the same settings as ``run`` did."""
    return command_line(*(["--config", str(folder_of(store, run).settings)] if run else ["--out", store.location]))
