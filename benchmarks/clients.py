"""Who takes part, and how each is asked for the same files: us as a user would, and our peers as their manuals say."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.wares import Wares

Command = list[str]
_HERE = str(Path(sys.executable).parent)  # where pip puts programs, whether or not the environment is activated


@dataclass(frozen=True, slots=True)
class Errand:
    """What one client is sent for: ``wares`` from the server at ``url`` into ``out``; ``home`` is for lists."""

    wares: Wares
    url: str
    out: Path
    home: Path
    concurrency: int

    @property
    def urls(self) -> list[str]:
        return [f"{self.url}/{name}" for name in self.wares.digests]

    def listed(self, lines: Sequence[str]) -> str:
        """The path of a file with these lines."""
        path = self.home / "list"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)


@dataclass(frozen=True, slots=True)
class Client:
    """One that takes part: ``program`` must be there, ``command`` is what a user would type.

    ``ours`` compares with peers, and is none. ``one_by_one`` takes no notice of the concurrency. ``terminal`` gets one.
    """

    name: str
    program: str
    command: Callable[[Errand], Command]
    ours: bool = False
    one_by_one: bool = False
    terminal: bool = False

    @property
    def installed(self) -> bool:
        return self.path is not None

    @property
    def path(self) -> str | None:
        return shutil.which(self.program, path=_HERE) or shutil.which(self.program)


def _harvester(progress: str) -> Callable[[Errand], Command]:
    def command(errand: Errand) -> Command:
        catalog = errand.home / "catalog.csv"
        errand.wares.write_catalog(catalog)
        what = ["--archive", f"{errand.url}/dlget", "--catalog", str(catalog), "--out", str(errand.out)]
        how = ["--rate", "0", "--concurrency", str(errand.concurrency), "--progress", progress]
        return ["-m", "harvester", *what, *how]

    return command


def _notebook(errand: Errand) -> Command:
    return ["-m", "benchmarks.notebook", errand.listed(errand.urls), str(errand.out)]


def _plain(errand: Errand) -> Command:
    return ["-m", "benchmarks.plain", errand.listed(errand.urls), str(errand.out), str(errand.concurrency)]


def _curl(*more: str) -> Callable[[Errand], Command]:
    def command(errand: Errand) -> Command:
        lines = [f"url = {url}\noutput = {errand.out / url.rpartition('/')[2]}" for url in errand.urls]
        at_once = ["--parallel", "--parallel-immediate", "--parallel-max", str(errand.concurrency)]
        return ["--silent", "--show-error", *at_once, *more, "--config", errand.listed(lines)]

    return command


def _wget2(errand: Errand) -> Command:
    what = ["--input-file", errand.listed(errand.urls), "--directory-prefix", str(errand.out)]
    return ["--quiet", f"--max-threads={errand.concurrency}", *what]


def _rclone(errand: Errand) -> Command:
    lines = [f"{url},{url.rpartition('/')[2]}" for url in errand.urls]
    how = ["--config", "", "--transfers", str(errand.concurrency)]
    return ["copyurl", "--urls", errand.listed(lines), str(errand.out), *how]


def _aria2(errand: Errand) -> Command:
    at_once = ["--max-concurrent-downloads", str(errand.concurrency), "--max-connection-per-server", "1"]
    what = ["--input-file", errand.listed(errand.urls), "--dir", str(errand.out)]
    return ["--no-conf", "--quiet", "--retry-wait=1", "--max-tries=5", *at_once, *what]


def _parfive(errand: Errand) -> Command:
    how = ["--max-conn", str(errand.concurrency), "--max-splits", "1", "--no-progress", "--no-file-progress"]
    return [*how, "--directory", str(errand.out), *errand.urls]


_RETRYING = ("--fail", "--retry", "5", "--retry-all-errors", "--retry-delay", "1")

CLIENTS: tuple[Client, ...] = (
    Client("harvester", sys.executable, _harvester("none"), ours=True),
    Client("harvester, dashboard", sys.executable, _harvester("rich"), ours=True, terminal=True),
    Client("curl", "curl", _curl()),
    Client("curl --retry", "curl", _curl(*_RETRYING)),
    Client("wget2", "wget2", _wget2),
    Client("rclone copyurl", "rclone", _rclone),
    Client("aria2", "aria2c", _aria2),
    Client("parfive", "parfive", _parfive),
    Client("aiohttp, no more", sys.executable, _plain),
    Client("the notebook's loop", sys.executable, _notebook, one_by_one=True),
)
