"""A bucket of FITS files: the same promise as the directory's, kept by an object store.

An object appears whole or not at all, so the PUT itself is the commit; "only if the name is free" stands in for the
lock that no bucket has. What must be quick, private or searched (ledger, runs, lock, refused bodies) stays in a local
folder: losing that loses history and no spectrum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from .layout import STATE, SUFFIX
from .object_service import knows_no_conditions, translate_service_errors
from .quarantine import Quarantine, reason_for_suspect

PROBE = f"{STATE}/probe"
_PROBE_TEXT = b"harvester was here: it tries out whether it may write\n"


class ObjectStore:
    """Spectra as ``<name>.fits`` under one address, our own state in ``.harvester`` in the local folder ``home``.

    ``replace``: what is there already is replaced, as ``--refresh`` has it; else a name is given once.
    """

    def __init__(self, place: str, service: Service, home: Path, replace: bool = False) -> None:
        self.location = place
        self.state = home / STATE
        self.ledger = self.state / "ledger.sqlite"
        self.lock = self.state / "lock"
        self.warning = ""
        self.migrated_count = 0
        self._service = service
        self._replace = replace
        self._conditional = True
        self._quarantine = Quarantine(self.state / "quarantine")

    def path(self, name: str) -> str:
        """Where the spectrum that is called ``name`` lies, or would."""
        return f"{self.location}/{name}{SUFFIX}"

    def relative_path(self, name: str) -> str:
        """The same relative to that address, as ``SHA256SUMS`` has it."""
        return f"{name}{SUFFIX}"

    def prepare(self) -> None:
        """Make the local folder. StoreError if that cannot be done."""
        with translate_os_errors(self.state):
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)

    def prepare_for_writing(self) -> None:
        """Find out, before any archive is asked, if we may write there and if names can be claimed. StoreError."""
        self._quarantine.prepare()
        with translate_service_errors(self.location):
            obstore.put(self._service, PROBE, _PROBE_TEXT, use_multipart=False)
            try:
                obstore.put(self._service, PROBE, _PROBE_TEXT, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return
            except BaseError as error:
                if not knows_no_conditions(error):
                    raise
        self._conditional = False
        self.warning = (
            "this service does not know PUT-if-absent: whether a name is free is asked before each write, which takes "
            "longer and cannot keep two harvests apart that write at the same moment"
        )

    def files(self) -> Iterator[tuple[str, int]]:
        """Name (without ``.fits``) and size in bytes of every FITS object that is there. StoreError."""
        with translate_service_errors(self.location):
            for some in obstore.list(self._service, chunk_size=1000):
                for found in some:
                    path = found["path"]
                    if path.endswith(SUFFIX) and "/" not in path and path[0] != ".":
                        yield path.removesuffix(SUFFIX), found["size"]

    def sizes(self) -> Mapping[str, int]:
        """The same, to be looked up."""
        return StringMap(self.files())

    def read(self, name: str) -> bytes:
        """The object's bytes. FileNotFoundError if it is not there, StoreError if it cannot be had."""
        with translate_service_errors(self.path(name)):
            try:
                return bytes(obstore.get(self._service, f"{name}{SUFFIX}").bytes())
            except FileNotFoundError:
                gone = FileNotFoundError(self.path(name))
        raise gone

    def quarantine_existing(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move objects that are no spectra to ``.harvester/quarantine`` under the same address. StoreError.

        They are copied where they are, not downloaded. ``more`` goes into the reason as it is.
        """
        for target in targets:
            with translate_service_errors(self.path(target.name)):
                self._move(target, detail, more)

    def _move(self, target: Target, detail: str, more: Mapping[str, str]) -> None:
        kept = f"{STATE}/quarantine/{target.name}.suspect"
        try:
            size = obstore.head(self._service, target.file_name)["size"]
            obstore.copy(self._service, target.file_name, f"{kept}.body")
        except FileNotFoundError:
            return
        reason = reason_for_suspect(target, detail, size, **more)
        obstore.put(self._service, f"{kept}.json", reason, use_multipart=False)
        obstore.delete(self._service, target.file_name)

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> None:
        """Put ``SHA256SUMS`` beside the spectra, from ``(file name, hex digest)`` rows. StoreError."""
        path = write_sha256sums(self.state, rows)
        with translate_service_errors(f"{self.location}/{MANIFEST}"):
            obstore.put(self._service, MANIFEST, path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` its name. StoreError if that cannot be done, also where somebody else's body has it."""
        with translate_service_errors(self.path(target.name)):
            if await self._created(target.file_name, body):
                return
            there = await (await obstore.get_async(self._service, target.file_name)).bytes_async()
        if bytes(there) != body:  # else it is ours: stored by a request whose answer was lost
            raise StoreError(
                f"{self.path(target.name)}: somebody else stored it meanwhile, perhaps a harvest on another machine; "
                "it is left as it is, and the next run proves it"
            )

    async def _created(self, key: str, body: bytes) -> bool:
        """Store ``body``, unless that name is taken."""
        mode: Literal["create", "overwrite"] = "create" if self._conditional and not self._replace else "overwrite"
        if not self._replace and not self._conditional and await self._is_there(key):
            return False
        try:
            await obstore.put_async(self._service, key, body, mode=mode, use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    async def _is_there(self, key: str) -> bool:
        try:
            await obstore.head_async(self._service, key)
        except FileNotFoundError:
            return False
        return True

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep a body that is no spectrum, and why it was refused, in the local folder: it is nothing for a bucket."""
        kept = await self._quarantine.keep(target, fetched, rejected)
        return f"{STATE}/quarantine/{kept}"

    async def has_room(self, size: int) -> bool:
        """Whether the service takes ``size`` bytes now: found out by writing as many."""
        try:
            await obstore.put_async(self._service, PROBE, bytes(size), use_multipart=False)
        except (BaseError, FileNotFoundError):
            return False
        return True
