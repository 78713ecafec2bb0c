"""A folder of FITS files: the truth of what a harvest has. Whatever has a name here was verified before it got it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiofiles

from ..errors import StoreError
from ..outcomes import Fetched, Rejected
from ..spectra import Target
from .commit import commit, part_name, sweep

STATE = ".harvester"
_SUFFIX = ".fits"


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A file on its way to the writer thread; ``done`` is called there with what became of it."""

    name: str
    body: bytes
    done: Callable[[OSError | None], None]


class DirectoryStore:
    """Spectra as ``<name>.fits`` in one folder, our own state in ``.harvester`` inside it.

    One thread writes. It commits together whatever has arrived while it was busy, so that dense arrivals share a
    sync of the folder and sparse ones wait for nobody. Its queue needs no bound of its own: each worker waits for
    its file, so it never holds more than ``concurrency`` of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / STATE
        self._deliveries: queue.SimpleQueue[_Delivery | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="store-writer", daemon=True)

    def prepare(self) -> None:
        """Make the folders. StoreError if that cannot be done."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(mode=0o700, exist_ok=True)
            (self.state / "quarantine").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(_sentence(self.folder, error)) from None

    def sizes(self) -> Mapping[str, int]:
        """Name (without ``.fits``) to size in bytes of every FITS file that is there. Empty if there is no folder."""
        try:
            with os.scandir(self.folder) as entries:
                return {
                    entry.name.removesuffix(_SUFFIX): entry.stat(follow_symlinks=False).st_size
                    for entry in entries
                    if entry.name.endswith(_SUFFIX) and entry.name[0] != "." and entry.is_file(follow_symlinks=False)
                }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(_sentence(self.folder, error)) from None

    def sweep(self) -> int:
        """Remove what killed runs left behind; how many files that were."""
        return sweep(self.folder)

    def set_aside(self, targets: Sequence[Target]) -> None:
        """Move files that cannot be spectra to quarantine, out of the way of the ones that will be."""
        for target in targets:
            path = self.folder / target.file_name
            size = path.stat().st_size
            reason = {
                "id": target.did,
                "kind": "suspect",
                "detail": f"{size} bytes are no FITS file",
                "found": "on disk",
            }
            kept = self._kept(target, "suspect")
            path.replace(kept)
            kept.with_suffix(".json").write_text(json.dumps(reason, indent=1), encoding="utf-8")

    async def __aenter__(self) -> Self:
        self._writer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deliveries.put(None)
        await asyncio.to_thread(self._writer.join)

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` its name, durably. StoreError if that cannot be done."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[OSError | None] = loop.create_future()

        def settle(error: OSError | None) -> None:
            if not written.done():
                written.set_result(error)

        self._deliveries.put(_Delivery(target.file_name, body, lambda error: _call_soon(loop, settle, error)))
        error = await written
        if error is not None:
            raise StoreError(_sentence(self.folder / target.file_name, error)) from error

    async def quarantine(self, target: Target, fetched: Fetched, rejected: Rejected) -> str:
        """Keep a body that is no spectrum, and beside it, as JSON, what was asked and why it was refused."""
        kept = self._kept(target, rejected.kind)
        reason = {
            "id": target.did,
            "gate": rejected.gate,
            "kind": rejected.kind,
            "detail": rejected.detail,
            "url": fetched.url,
            "headers": dict(fetched.headers),
            "bytes": len(fetched.body),
        }
        try:
            for path, content in (
                (kept, fetched.body),
                (kept.with_suffix(".json"), json.dumps(reason, indent=1).encode()),
            ):
                part = path.with_name(part_name(path.name))
                async with aiofiles.open(part, "wb") as file:
                    await file.write(content)
                part.replace(path)
        except OSError as error:
            raise StoreError(_sentence(kept, error)) from error
        return str(kept.relative_to(self.folder))

    def _kept(self, target: Target, kind: str) -> Path:
        return self.state / "quarantine" / f"{target.name}.{kind}.body"

    def _write(self) -> None:
        """The writer thread: commit what has arrived, together, until told to end."""
        ended = False
        while not ended:
            batch = [self._deliveries.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._deliveries.get_nowait())
            files = [delivery for delivery in batch if delivery is not None]
            ended = len(files) < len(batch)
            results = commit(self.folder, [(file.name, file.body) for file in files]) if files else []
            for file, result in zip(files, results, strict=True):
                file.done(result)


def _call_soon(
    loop: asyncio.AbstractEventLoop, settle: Callable[[OSError | None], None], error: OSError | None
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more, and the file is there
        loop.call_soon_threadsafe(settle, error)


_PLAIN_WORDS = {
    errno.ENOSPC: "the disk is full; make room and run again",
    errno.EDQUOT: "the disk quota is used up; make room and run again",
    errno.EROFS: "the disk is read-only; remount it or choose another --out",
    errno.EACCES: "no permission; choose another --out or change the permissions",
    errno.EPERM: "no permission; choose another --out or change the permissions",
    errno.EIO: "the disk reports an input/output error; check it before the next run",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "the system has too many open files; close some and run again",
    errno.EFBIG: "the file size limit is reached (ulimit -f)",
    errno.ENOTDIR: "part of that path is a file; choose another --out",
}


def _sentence(path: Path, error: OSError) -> str:
    return f"{path}: {_PLAIN_WORDS.get(error.errno or 0, error.strerror or str(error))}"
