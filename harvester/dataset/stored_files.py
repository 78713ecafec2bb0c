"""What a harvest holds: each stored spectrum with its receipt from the ledger and the columns of its catalog row."""

from __future__ import annotations

import hashlib
import json
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import UsageError
from ..fits.errors import InvalidSpectrumError
from ..fits.reader import read_spectrum
from ..fits.spectrum import Spectrum
from ..ledger import queries
from ..model.conventions import NO_CONVENTIONS, FileConventions
from ..model.target import SpectrumId
from ..storage.interface import Store
from .run_profiles import RunProfiles


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One stored spectrum. ``columns`` are the other columns of its catalog row; None is what nobody recorded.

    load: gives its bytes, and raises, as the store's ``read`` does.
    wave_min, wave_max: metres. saved: seconds since 1970. run: which fetched it. url: what was asked.
    conventions: what its file does not say, by the profile of the run that stored it.
    """

    did: SpectrumId
    name: str
    path: Path | str
    load: Callable[[], bytes] = field(repr=False, compare=False)
    columns: Mapping[str, str]
    size: int | None = None
    sha256: str | None = None
    content_digest: str | None = None
    points: int | None = None
    wave_min: float | None = None
    wave_max: float | None = None
    object_name: str | None = None
    saved: float | None = None
    run: str | None = None
    url: str | None = None
    conventions: FileConventions = NO_CONVENTIONS


class DamagedError(Exception):
    """The file is not what was stored; the message says how."""


def holdings(store: Store, profiles: RunProfiles | None = None, share: float = 1.0) -> Iterator[StoredFile]:
    """All that the ledger says is stored, by name. Streams. UsageError if there is no ledger to tell.

    ``profiles``: of the runs that stored them. ``share``: of all, if not all; always the same ones.
    """
    require_ledger(store)
    profiles = profiles or RunProfiles(store)
    for row in queries.stored(store.ledger, share):
        yield _holding(store, row, profiles)


def holding_of(store: Store, key: str, profiles: RunProfiles | None = None) -> StoredFile | None:
    """The stored spectrum with this DID or name (without ``.fits``); None if there is none."""
    row = queries.stored_as(store.ledger, key)
    return None if row is None else _holding(store, row, profiles or RunProfiles(store))


def _holding(store: Store, row: sqlite3.Row, profiles: RunProfiles) -> StoredFile:
    return StoredFile(
        SpectrumId(row["did"]), row["name"], store.path(row["name"]), partial(store.read, row["name"]),
        json.loads(row["columns"]), row["bytes"],
        row["sha256"], row["content_digest"], row["points"], row["wave_min"], row["wave_max"], row["object"],
        row["saved"], row["run_name"], row["url"],
        profiles.conventions(row["run_name"]),
    )  # fmt: skip


def require_ledger(store: Store) -> None:
    """UsageError, with what to do, if there is no ledger."""
    if not store.ledger.exists():
        raise UsageError(
            f"{store.location}: no ledger, so nobody knows what its files are; give a harvest's directory, or make "
            f"a ledger from the files: python -m harvester verify --fix --out {shlex.quote(str(store.location))}"
        )


def read(holding: StoredFile) -> Spectrum:
    """The spectrum itself, proved to be what was stored. DamagedError if it is not, StoreError if the disk fails."""
    try:
        body = holding.load()
    except FileNotFoundError:
        raise DamagedError("the file is gone") from None
    if holding.sha256 is not None and hashlib.sha256(body).hexdigest() != holding.sha256:
        raise DamagedError("the file is not the one that was stored: its SHA-256 differs")
    try:
        return read_spectrum(body, holding.conventions)
    except InvalidSpectrumError as error:
        raise DamagedError(error.rejected.detail) from error
