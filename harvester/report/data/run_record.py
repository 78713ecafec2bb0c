"""Read what a run left behind: its ledger entry, its summary and its settings."""

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

_PARTIAL = ("refresh", "only_failed", "limit")


@dataclass(frozen=True, slots=True)
class RunRecordData:
    """One run. ``summary`` has the fields of summary.json, as far as the run got.

    settings: the fields of its config.toml; ledger_run: its row in the ledger, None if there is none; later: the runs
    after it; failures: of the spectra that are missing now, whichever run gave them up.
    """

    store: Store
    run: str
    ledger_run: RunRecord | None
    summary: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    later: Sequence[str] = ()
    failures: Sequence[FailureRecord] = ()
    request_key: str = ""

    @property
    def folder(self) -> RunFolder:
        """The folder of the run's files."""
        return folder_of(self.store, self.run)

    @property
    def archive(self) -> str:
        """The archive's name, as far as ledger and settings know it."""
        return self.ledger_run.archive if self.ledger_run else str(self.settings.get("archive", ""))

    @property
    def ended(self) -> bool:
        """Whether the run ended in order, with whatever result."""
        return self.summary.get("exit_code") is not None

    @property
    def politeness(self) -> Mapping[str, Any]:
        """The politeness report; empty if the run was killed before it could write one."""
        report = self.summary.get("politeness")
        return report if isinstance(report, Mapping) else {}

    @property
    def labelling(self) -> Labelling:
        """The run's settings on its catalog's labels."""
        try:
            return TypeAdapter(Labelling).validate_python(self.settings.get("labels", {}))
        except ValidationError:  # a config.toml that was edited since
            return Labelling()


def folder_of(store: Store, run: str) -> RunFolder:
    """Return the run's own folder."""
    return store.state.run(run)


def read_run_record(store: Store, run: str | None = None) -> RunRecordData:
    """Read the record of ``run``, by default the latest.

    UsageError if there is no such run, StoreError if its files cannot be read.
    """
    runs = queries.runs(store.ledger)
    chosen = run or next((record.run for record in runs), None)
    known = [record.run for record in runs]
    if chosen is None:
        raise UsageError(f"{store.location}: there is no harvest here; give a harvest's directory with --out DIR")
    if chosen not in known:
        latest = f"the latest are {', '.join(known[:3])}" if known else "there is none"
        raise UsageError(f"RUN {chosen!r}: no such run in {store.location}; {latest}")
    number = known.index(chosen)
    folder = folder_of(store, chosen)
    return RunRecordData(
        store,
        chosen,
        runs[number],
        _summary(folder) or runs[number].summary,
        saved_settings(folder),
        known[:number],
        queries.failures(store.ledger),
        queries.request_parameters(store.ledger) or "",
    )


def _summary(folder: RunFolder) -> Mapping[str, Any]:
    try:
        parsed = json.loads(_text(folder.summary) or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def saved_settings(folder: RunFolder) -> Mapping[str, Any]:
    """Return the settings of the run in ``folder``, none where its config.toml is unusable."""
    try:
        return tomllib.loads(_text(folder.settings))
    except tomllib.TOMLDecodeError:
        return {}


def _text(path: Path) -> str:
    """Return the text in ``path``, '' if there is no such file.

    StoreError if it cannot be read.
    """
    if not path.exists():
        return ""
    with translate_os_errors(path):
        return path.read_text("utf-8", "replace")


def again(store: Store, run: str | None) -> str:
    """Return the command that runs again with the settings of ``run``."""
    return command_line(*(["--config", str(folder_of(store, run).settings)] if run else ["--out", store.location]))


def run_of_everything(store: Store) -> str | None:
    """Return the latest run whose settings download all that is missing and nothing else.

    A refresh would request what is stored, a run with ``--limit`` or ``--only-failed`` a part of what is missing.
    """
    names = (record.run for record in queries.runs(store.ledger))
    settings = ((name, saved_settings(folder_of(store, name))) for name in names)
    return next((name for name, saved in settings if saved and not any(map(saved.get, _PARTIAL))), None)
