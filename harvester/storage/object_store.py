"""A bucket of spectra: the same promise as a directory's, kept by an object store.

An object appears whole or not at all, so the PUT itself is the commit; "only if the name is free" replaces the lock,
which no bucket has. What must be quick, private or searched (ledger, runs, lock, rejected bodies) stays in a local
folder: losing that loses history and no spectrum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore as Service

from ..catalog.packed_strings import StringMap
from ..errors import StoreError
from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target
from .atomic import MANIFEST, write_sha256sums
from .errors import translate_os_errors
from .group_commit import state_removed
from .layout import SUFFIX, SUFFIXES, VOTABLE_SUFFIX, suffix_of, without_suffix
from .lock import FolderGuard
from .object_service import lacks_conditional_put, translate_service_errors
from .quarantine import Quarantine, reason_for_suspect
from .run_folder import QUARANTINE_PATH, STATE, StateFolder

PROBE = f"{STATE}/probe"
_PROBE_BODY = b"harvester was here: it tries out whether it may write\n"


class ObjectStore:
    """Store spectra as ``<name>.fits`` or ``.vot`` under one address.

    The state is in ``.harvester`` in the local folder ``home``.

    ``replace``: stored objects are replaced, for ``--refresh``; else a name is given once.
    """

    def __init__(self, location: str, service: Service, home: Path, replace: bool = False) -> None:
        self.location = location
        self.state = StateFolder.below(home)
        self.ledger = self.state.ledger
        self.lock = self.state.lock
        self.lock_descriptors: tuple[int, ...] = ()
        self.notes: list[str] = []
        self.migrated_count = 0
        self._service = service
        self._replace = replace
        self._conditional = True
        self.votables: set[str] = set()
        self._quarantine = Quarantine(self.state.quarantine)
        self._guard = FolderGuard(())

    @property
    def warning(self) -> str:
        """What a user should know of this service; empty if nothing."""
        return "; ".join(self.notes)

    def path(self, name: str) -> str:
        """Return where the spectrum called ``name`` is, or would be."""
        return f"{self.location}/{self.relative_path(name)}"

    def relative_path(self, name: str) -> str:
        """Return the same relative to that address, as in ``SHA256SUMS``."""
        return f"{name}{VOTABLE_SUFFIX if name in self.votables else SUFFIX}"

    def prepare(self) -> None:
        """Make the local folder. StoreError."""
        with translate_os_errors(self.state.path):
            self.state.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def prepare_for_writing(self) -> None:
        """Check that the service takes writes, and conditional ones.

        This is before any request to the archive. StoreError.
        """
        self._quarantine.prepare()
        with translate_service_errors(self.location):
            obstore.put(self._service, PROBE, _PROBE_BODY, use_multipart=False)
            try:
                obstore.put(self._service, PROBE, _PROBE_BODY, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return
            except BaseError as error:
                if not lacks_conditional_put(error):
                    raise
        self._conditional = False
        self.notes.append(
            "this service does not know PUT-if-absent: whether a name is free is checked before each write, which "
            "takes longer and cannot keep two harvests apart that write at the same moment"
        )

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield name (without ending) and size in bytes of every spectrum's object. StoreError."""
        with translate_service_errors(self.location):
            for page in obstore.list(self._service, chunk_size=1000):
                for found in page:
                    path = found["path"]
                    name = without_suffix(path)
                    if name and "/" not in path and path[0] != ".":
                        if path.endswith(VOTABLE_SUFFIX):
                            self.votables.add(name)
                        yield name, found["size"]

    def sizes(self) -> Mapping[str, int]:
        """Return the same as a mapping."""
        return StringMap(self.files())

    def read(self, name: str) -> bytes:
        """Return the object's bytes.

        FileNotFoundError if there is none, StoreError if it cannot be read.
        """
        with translate_service_errors(self.path(name)):
            for suffix in SUFFIXES:
                with suppress(FileNotFoundError):
                    body = bytes(obstore.get(self._service, f"{name}{suffix}").bytes())
                    if suffix == VOTABLE_SUFFIX:
                        self.votables.add(name)
                    return body
            absent = FileNotFoundError(self.path(name))
        raise absent

    def quarantine_existing(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move objects that are no spectra to ``.harvester/quarantine`` under the same address.

        Raises StoreError.

        They are copied where they are, not downloaded. ``more`` goes into the reason as it is.
        """
        for target in targets:
            with translate_service_errors(self.path(target.name)):
                self._move(target, detail, more)

    def _move(self, target: Target, detail: str, more: Mapping[str, str]) -> None:
        kept = f"{QUARANTINE_PATH}/{target.name}.suspect"
        try:
            key = self.relative_path(target.name)
            size = obstore.head(self._service, key)["size"]
            obstore.copy(self._service, key, f"{kept}.body")
        except FileNotFoundError:
            return
        reason = reason_for_suspect(target, detail, size, **more)
        obstore.put(self._service, f"{kept}.json", reason, use_multipart=False)
        obstore.delete(self._service, key)

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> str:
        """Put ``SHA256SUMS`` beside the spectra, from ``(file name, hex digest)`` rows.

        Return its SHA-256. Raises StoreError.
        """
        digest = write_sha256sums(self.state.path, rows)
        with translate_service_errors(f"{self.location}/{MANIFEST}"):
            obstore.put(self._service, MANIFEST, self.state.path / MANIFEST)
        return digest

    async def __aenter__(self) -> Self:
        self._guard = FolderGuard([self.state.path])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard.close()

    async def put(self, target: Target, body: bytes) -> None:
        """Store ``body`` under the target's name. StoreError, also if the name has another body."""
        if (changed := self._guard.changed()) is not None:
            raise state_removed(changed)
        key = f"{target.name}{suffix_of(body)}"
        with translate_service_errors(self.path(target.name)):
            if await self._create(key, body):
                await self._forget_other_format(target.name, key)
                return
            stored = await (await obstore.get_async(self._service, key)).bytes_async()
        if bytes(stored) != body:  # else it is ours: stored by a request whose response was lost
            raise StoreError(
                f"{self.path(target.name)}: another program has stored it, perhaps a harvest on another machine; "
                "it is left as it is, and the next run verifies it"
            )

    async def _forget_other_format(self, name: str, key: str) -> None:
        """Remove the object that ``key`` replaces, of a spectrum that had another format."""
        if key.endswith(VOTABLE_SUFFIX):
            self.votables.add(name)
            await _remove(self._service, f"{name}{SUFFIX}")
        elif name in self.votables:
            self.votables.discard(name)
            await _remove(self._service, f"{name}{VOTABLE_SUFFIX}")

    async def _create(self, key: str, body: bytes) -> bool:
        """Store ``body``, unless the name is taken; return whether it was stored."""
        mode: Literal["create", "overwrite"] = "create" if self._conditional and not self._replace else "overwrite"
        if not self._replace and not self._conditional and await self._exists(key):
            return False
        try:
            await obstore.put_async(self._service, key, body, mode=mode, use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    async def _exists(self, key: str) -> bool:
        try:
            await obstore.head_async(self._service, key)
        except FileNotFoundError:
            return False
        return True

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep a rejected body and the reason in the local folder; return its path. StoreError."""
        kept = await self._quarantine.keep(target, fetched, rejected)
        return f"{QUARANTINE_PATH}/{kept}"

    async def has_room(self, size: int) -> bool:
        """Return whether the service takes ``size`` bytes now, by writing as many."""
        try:
            await obstore.put_async(self._service, PROBE, bytes(size), use_multipart=False)
        except (BaseError, FileNotFoundError):
            return False
        return True


async def _remove(service: Service, key: str) -> None:
    with suppress(FileNotFoundError):
        await obstore.delete_async(service, key)
