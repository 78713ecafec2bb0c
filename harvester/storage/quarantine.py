"""Bodies that failed verification, kept as evidence.

``<name>.<kind>.body`` and, beside it, ``.json`` with the reason.

A hostile archive can send such bodies without end, so the total of what was downloaded is bounded and the oldest is
removed first. What was moved here from a spectrum's place on disk (kind ``suspect``) is neither counted nor ever
removed: moving takes no space, there is at most one for each name, and a wrong setting must not cost a user a file.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiofiles

from ..formatting import iso_utc
from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target
from .atomic import atomic_write, remove_stale_temp_files
from .errors import translate_os_errors
from .layout import SUFFIXES

MAX_BYTES = 256 * 2**20  # enough for thousands of spectra, or sixteen of the largest bodies that are accepted

_SUSPECT = "suspect"


class Quarantine:
    """A folder of evidence, private to the user. Call ``prepare`` before anything else."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}  # of an entry's two files together, the oldest entry first
        self._total = 0

    def prepare(self) -> None:
        """Make the folder, remove what killed runs left half-written, and measure the rest.

        Raises StoreError.
        """
        with translate_os_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(PermissionError):  # some file systems have no permissions
                self.folder.chmod(0o700)
            remove_stale_temp_files(self.folder)
            self._sizes = self._measure()
            self._total = sum(self._sizes.values())
            self._make_room(0)

    async def keep(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep a body that failed a check; return the name of its file. StoreError."""
        entry = f"{target.name}.{rejected.kind}"
        body = fetched.body[: self._max_bytes]
        reason = _as_json({
            "id": target.did, "found": "in an answer", "gate": rejected.check, "kind": rejected.kind,
            "detail": rejected.detail, "url": fetched.url, "headers": _joined(fetched.headers),
            "bytes": len(fetched.body), "kept_bytes": len(body), "kept": _now(),
        })  # fmt: skip
        self._forget(entry)
        self._make_room(len(body) + len(reason))
        self._sizes[entry] = len(body) + len(reason)  # before the first await: others make room beside it
        self._total += self._sizes[entry]
        try:
            await _write(self.folder / f"{entry}.body", body)
            await _write(self.folder / f"{entry}.json", reason)
        except BaseException:
            self._remove(entry)
            raise
        return f"{entry}.body"

    def move_in(self, folder: Path, target: Target, detail: str, **more: str) -> Path | None:
        """Move the target's file out of ``folder``; return its new path, None if it has vanished.

        Block until that is done. StoreError.

        ``more`` goes into the reason as it is.
        """
        paths = [folder / f"{target.name}{suffix}" for suffix in SUFFIXES]
        path = next((one for one in paths if os.path.lexists(one)), paths[0])
        with translate_os_errors(path):
            try:
                status = path.lstat()
                kept = self._free_path(target.name, stat.S_ISDIR(status.st_mode))
                shutil.move(path, kept)  # a rename, or a copy where .harvester is on another disk
            except FileNotFoundError:
                if os.path.lexists(path):
                    raise  # it is the quarantine that does not exist
                return None
            _write_now(kept.with_suffix(".json"), reason_for_suspect(target, detail, status.st_size, **more))
        return kept

    def _free_path(self, name: str, is_folder: bool) -> Path:
        """Return where to move a suspect.

        Over an earlier one of that name, unless a folder is involved.
        """
        paths = (self.folder / f"{name}.{_SUSPECT}{number}.body" for number in ("", *map(str, range(2, 1000))))
        return next(path for path in paths if not (os.path.lexists(path) if is_folder else path.is_dir()))

    def _measure(self) -> dict[str, int]:
        ages: dict[str, float] = {}
        sizes: dict[str, int] = {}
        with os.scandir(self.folder) as files:
            for file in files:
                entry, _, suffix = file.name.rpartition(".")
                if suffix not in ("body", "json") or entry.startswith(".") or _is_suspect(entry):
                    continue
                with suppress(FileNotFoundError):  # the user may tidy up in the meantime
                    status = file.stat(follow_symlinks=False)
                    ages[entry] = max(ages.get(entry, 0.0), status.st_mtime)
                    sizes[entry] = sizes.get(entry, 0) + status.st_size
        return {entry: sizes[entry] for entry in sorted(ages, key=ages.__getitem__)}

    def _make_room(self, size: int) -> None:
        while self._sizes and self._total + size > self._max_bytes:
            self._remove(next(iter(self._sizes)))

    def _remove(self, entry: str) -> None:
        self._forget(entry)
        for suffix in ("body", "json"):
            with suppress(OSError):  # evidence that cannot be removed does no harm, and is measured again next time
                (self.folder / f"{entry}.{suffix}").unlink(missing_ok=True)

    def _forget(self, entry: str) -> None:
        self._total -= self._sizes.pop(entry, 0)


def _is_suspect(entry: str) -> bool:
    return entry.rpartition(".")[2].startswith(_SUSPECT)  # the kind is last: names may have dots


def _joined(headers: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def reason_for_suspect(target: Target, detail: str, size: int, **more: str) -> bytes:
    """Return the JSON that is written beside a suspect of ``size`` bytes."""
    reason = {"id": target.did, "found": "on disk", "kind": _SUSPECT, "detail": detail, **more}
    return _as_json({**reason, "bytes": size, "kept": _now()})


def _as_json(reason: dict[str, Any]) -> bytes:
    return json.dumps(reason, indent=1).encode()


def _now() -> str:
    return iso_utc(time.time())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


# Evidence is no promise: it is written atomically, but not synced.


async def _write(path: Path, content: bytes) -> None:
    with atomic_write(path, durable=False, sweep=False) as part:
        async with aiofiles.open(part, "xb", opener=_private) as file:
            await file.write(content)


def _write_now(path: Path, content: bytes) -> None:
    with atomic_write(path, durable=False, sweep=False) as part, open(part, "xb", opener=_private) as file:
        file.write(content)
