"""GAVO DaCHS from Debian's packages on loopback, with a database and a root directory of its own.

Nothing outside its folder is written, so several stand side by side. PostgreSQL refuses to run as root: there both
servers run as the user that its package brings. ``.ci/dachs`` installs what is needed.
"""

from __future__ import annotations

import grp
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from harvester.model.target import SpectrumId
from tests.dachs.holdings import write_holdings

_DACHS = Path("/usr/bin/dachs")
_RESOURCE = Path(__file__).with_name("ccd700.rd")
_LONGEST_START = 60.0  # seconds until a server answers
_DATABASE_OPTIONS = "-c listen_addresses= -c fsync=off"  # on a socket in its folder, which goes with the tests


def is_installed() -> bool:
    return _DACHS.exists() and _postgres() is not None


def _postgres() -> Path | None:
    """The newest PostgreSQL that has pg_sphere."""
    having = [path.parts[4] for path in Path("/usr/share/postgresql").glob("*/extension/pg_sphere.control")]
    return Path("/usr/lib/postgresql") / max(having, key=int) / "bin" if having else None


class Witness:
    """One DaCHS in ``folder``, and its database; both are started and stopped, or killed, by the stories."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._server: subprocess.Popen[bytes] | None = None
        programs = _postgres()
        assert programs is not None
        self._programs = programs

    @property
    def dlget(self) -> str:
        return f"{self.url}/ccd700/q/sdl/dlget"

    @property
    def dlmeta(self) -> str:
        return f"{self.url}/ccd700/q/sdl/dlmeta"

    @property
    def ssap(self) -> str:
        return f"{self.url}/ccd700/q/ssa/ssap.xml"

    @property
    def tap(self) -> str:
        return f"{self.url}/tap"

    def prepare(self, dids: Iterable[SpectrumId]) -> None:
        """The database, DaCHS' own tables, our resource; leaves the database running."""
        (self._folder / "gavo.rc").write_text(self._settings())
        resource = self._folder / "gavo" / "inputs" / "ccd700"
        resource.mkdir(parents=True)
        shutil.copy(_RESOURCE, resource / "q.rd")
        write_holdings(resource, dids)
        if os.geteuid() == 0:
            for path in (self._folder, *self._folder.rglob("*")):
                shutil.chown(path, "postgres", "postgres")
        self._run(
            self._programs / "initdb", "-D", self._database, "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"
        )
        self.start_database()
        self._run(self._programs / "createdb", "-h", self._folder, "gavo")
        self._run(_DACHS, "init", "-d", f"dbname=gavo host={self._folder}")
        self._run(_DACHS, "imp", "ccd700/q")

    def start_database(self) -> None:
        options = f"-k {self._folder} {_DATABASE_OPTIONS}"
        self._run(
            self._programs / "pg_ctl", "start", "-w", "-D", self._database, "-l", self._folder / "db.log", "-o", options
        )

    def stop_database(self) -> None:
        self._run(self._programs / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._database)

    @contextmanager
    def in_maintenance(self, words: str) -> Iterator[None]:
        """While its operator has ``words`` for all who come."""
        text = self._folder / "gavo" / "state" / "MAINT"
        text.write_text(words, encoding="utf-8")
        try:
            yield
        finally:
            text.unlink()

    def start(self) -> None:
        """Starts the web server and waits until it answers."""
        self._server = subprocess.Popen(
            [_DACHS, "serve", "start", "--foreground"],
            **self._unprivileged(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _LONGEST_START
        while not self._answers():
            assert self._server.poll() is None, "DaCHS ended at its start"
            assert time.monotonic() < deadline, "DaCHS does not answer"
            time.sleep(0.1)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Ends the web server by a signal."""
        assert self._server is not None
        self._server.send_signal(how)
        self._server.wait(_LONGEST_START)
        self._server = None

    def close(self) -> None:
        if self._server:
            self.stop(signal.SIGKILL)
        if (self._database / "postmaster.pid").exists():
            self.stop_database()

    @property
    def _database(self) -> Path:
        return self._folder / "db"

    def _settings(self) -> str:
        return f"""\
[general]
rootDir: {self._folder}/gavo
group: {_group()}
gavoGroup: {_group()}
[web]
bindAddress: 127.0.0.1
sitename: DC Demo
serverPort: {self._port}
serverURL: {self.url}
user:
[ivoa]
authority: asu.cas.cz
"""

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(command, **self._unprivileged(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def _unprivileged(self) -> dict[str, Any]:
        """Of Debian's Python, and of no one's settings."""
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(self._folder)}
        environment["GAVOSETTINGS"] = str(self._folder / "gavo.rc")
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        return {"env": environment, "cwd": self._folder, **user}

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ccd700/q/ssa/availability", timeout=_LONGEST_START):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False


@contextmanager
def standing(dids: Iterable[SpectrumId]) -> Iterator[Witness]:
    """A witness with these spectra that answers, as long as the context lasts."""
    folder = Path(mkdtemp(prefix="dachs-", dir="/tmp"))  # a path that is short enough for a socket
    witness = Witness(folder, _free_port())
    try:
        witness.prepare(dids)
        witness.start()
        yield witness
    finally:
        witness.close()
        shutil.rmtree(folder)


def _group() -> str:
    return "postgres" if os.geteuid() == 0 else grp.getgrgid(os.getgid()).gr_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
