"""List what a harvest stores: each spectrum with its ledger entry and its catalog row."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import UsageError
from ..fits.errors import InvalidSpectrumError
from ..fits.spectrum import Spectrum
from ..ledger import queries
from ..ledger.damage import explained_by_damage
from ..ledger.values import json_object
from ..model.conventions import NO_CONVENTIONS, FileConventions
from ..model.failures import FailureKind
from ..model.invocation import command_line
from ..model.target import SpectrumId
from ..readers.spectrum_file import read_spectrum
from ..storage.interface import Store
from ..storage.layout import without_suffix
from .run_profiles import RunProfiles


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One stored spectrum. ``columns`` are the other columns of its catalog row.

    None is what the ledger lacks.

    load: returns its bytes, and raises, as the store's ``read`` does.
    wave_min, wave_max: metres. saved: seconds since 1970. run: the one that fetched it. url: the requested address.
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
    """The file is not what was stored; the message says how it differs."""


class StructureOnlyError(DamagedError):
    """No reader finds a spectrum in the file, which was verified in its structure only."""


def stored_files(store: Store, profiles: RunProfiles | None = None, share: float = 1.0) -> Iterator[StoredFile]:
    """Yield every spectrum that the ledger lists as stored, by name.

    UsageError if there is no ledger.

    ``profiles``: of the runs that stored them. ``share``: of all, if not all; always the same ones.
    """
    require_ledger(store)
    profiles = profiles or RunProfiles(store)
    with explained_by_damage(store.ledger):
        for row in queries.stored(store.ledger, share):
            yield _from_row(store, row, profiles)


def find_stored_file(store: Store, key: str, profiles: RunProfiles | None = None) -> StoredFile | None:
    """Return the stored spectrum with this DID or name, with or without ``.fits`` or ``.vot``.

    None if there is none.
    """
    with explained_by_damage(store.ledger):
        row = queries.stored_as(store.ledger, key)
        if row is None and (name := without_suffix(key)):
            row = queries.stored_as(store.ledger, name)
        return None if row is None else _from_row(store, row, profiles or RunProfiles(store))


def _from_row(store: Store, row: sqlite3.Row, profiles: RunProfiles) -> StoredFile:
    if not isinstance(row["did"], str):
        raise TypeError("a publisher DID that is no text")
    return StoredFile(
        SpectrumId(row["did"]), row["name"], store.path(row["name"]), partial(store.read, row["name"]),
        json_object(row["columns"]), row["bytes"],
        row["sha256"], row["content_digest"], row["points"], row["wave_min"], row["wave_max"], row["object"],
        row["saved"], row["run_name"], row["url"],
        profiles.conventions(row["run_name"]),
    )  # fmt: skip


def require_ledger(store: Store) -> None:
    """Raise UsageError, with what to do, if there is no ledger."""
    if not store.ledger.exists():
        raise UsageError(
            f"{store.location}: there is no ledger, so its files are unknown; give a harvest's directory, or make "
            f"a ledger from the files: {command_line('verify', '--fix', '--out', str(store.location))}"
        )


def read_stored(stored: StoredFile) -> Spectrum:
    """Read the spectrum and check that it is what was stored.

    DamagedError if not, StoreError if the disk fails.
    """
    try:
        body = stored.load()
    except FileNotFoundError:
        raise DamagedError("the file is gone") from None
    except ValueError:
        raise DamagedError("the ledger is damaged: the file's name in it is impossible") from None
    if stored.sha256 is not None and hashlib.sha256(body).hexdigest() != stored.sha256:
        raise DamagedError("the file is not the one that was stored: its SHA-256 differs")
    try:
        return read_spectrum(body, stored.conventions)
    except InvalidSpectrumError as error:
        if stored.sha256 is not None and error.rejected.kind is FailureKind.UNREADABLE:
            raise StructureOnlyError(f"no reader finds a spectrum in it: {error.rejected.detail}") from error
        raise DamagedError(error.rejected.detail) from error
