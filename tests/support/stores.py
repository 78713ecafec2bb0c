"""Every kind of place that a harvest can go to, and what really is there, seen past our own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
from obstore.store import MemoryStore, from_url
from obstore.store import ObjectStore as Service

from harvester.storage.directory import DirectoryStore
from harvester.storage.interface import Store
from harvester.storage.layout import Layout
from harvester.storage.object_store import ObjectStore
from tests.support.object_servers import BUCKET, SERVERS, S3Server

KINDS = ("directory", "hashed", "memory", "file", "moto", "rclone")
BUCKETS = KINDS[2:]


@dataclass(frozen=True, slots=True)
class Place:
    """``open(replace)`` is our store of it; the others go around it."""

    open: Callable[[bool], Store]
    lay: Callable[[str, bytes], object]
    at: Callable[[str], bytes]
    names: Callable[[], set[str]]
    """What lies beside each other there, without our own state."""
    listed: Callable[[str], str] = str
    """What the sums call a spectrum's file."""


def ready(place: Place, replace: bool = False) -> Store:
    """The place's store as a run has it."""
    store = place.open(replace)
    store.prepare()
    store.prepare_for_writing()
    return store


def a_directory(folder: Path) -> Place:
    def lay(name: str, body: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def names() -> set[str]:
        return {path.name for path in folder.iterdir() if path.name != ".harvester"}

    return Place(lambda replace: DirectoryStore(folder), lay, lambda name: (folder / name).read_bytes(), names)


def a_hashed_directory(folder: Path) -> Place:
    """Spectra are where their names tell; anything else is where it is laid."""
    flat = a_directory(folder)

    def placed(name: str) -> str:
        spectrum = name.endswith(".fits") and name[0] != "." and "/" not in name
        return Layout.HASHED.relative_path(name.removesuffix(".fits")) if spectrum else name

    def names() -> set[str]:
        return {path.name for path in folder.rglob("*") if path.is_file() and ".harvester" not in path.parts}

    return Place(
        lambda replace: DirectoryStore(folder, Layout.HASHED),
        lambda name, body: flat.lay(placed(name), body),
        lambda name: flat.at(placed(name)),
        names,
        placed,
    )


def a_service(service: Service, home: Path, url: str) -> Place:
    def at(name: str) -> bytes:
        return bytes(obstore.get(service, name).bytes())

    def names() -> set[str]:
        found = {one["path"] for some in obstore.list(service) for one in some}
        return {name for name in found if not name.startswith(".harvester/")}

    return Place(
        lambda replace: ObjectStore(url, service, home, replace),
        lambda name, body: obstore.put(service, name, body),
        at,
        names,
    )


class Servers:
    """S3 servers, each started when it is first needed."""

    def __init__(self, stack: ExitStack, folder: Callable[[str], Path]) -> None:
        self._stack, self._folder = stack, folder
        self._running: dict[str, S3Server] = {}

    def __getitem__(self, kind: str) -> S3Server:
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(SERVERS[kind](self._folder(kind)))
        return self._running[kind]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack, tmp_path_factory.mktemp)


@pytest.fixture
def bucket(request: pytest.FixtureRequest, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh address in the bucket of the server that the test's parameter names; the environment leads there."""
    for name, value in servers[request.param].environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex[:8]}/ondřejov"


def place_of(kind: str, tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Place:
    if kind == "directory":
        return a_directory(tmp_path / "out")
    if kind == "hashed":
        return a_hashed_directory(tmp_path / "out")
    if kind == "memory":
        return a_service(MemoryStore(), tmp_path, "memory://")
    url = f"s3://{BUCKET}/{uuid4().hex[:8]}"
    if kind == "file":
        (tmp_path / "far").mkdir()
        url = (tmp_path / "far").as_uri()
    else:
        for name, value in servers[kind].environment.items():
            monkeypatch.setenv(name, value)
    return a_service(from_url(url), tmp_path / "home", url)
