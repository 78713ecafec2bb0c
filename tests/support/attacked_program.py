"""The program as a process whose system calls fail, whose clock jumps, and which can be killed or frozen."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import REPOSITORY

KINDS = ("write", "fsync", "rename", "create", "unlink", "mkdir", "truncate", "read")
SOURCE = Path(__file__).with_name("interposed.c")
HANGS_AFTER = 60.0  # seconds
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(
    COMPILER is None or sys.platform != "linux", reason="calls are interposed by a C library: install gcc, on Linux"
)


@dataclass(frozen=True, slots=True)
class Failing:
    """The ``at``-th call (from 1) of ``kinds`` below ``folder`` fails with ``number``; 0: all are only logged."""

    folder: Path
    kinds: Sequence[str] = KINDS
    at: int = 0
    number: int = 0
    from_then_on: bool = False

    def as_job(self, log: str = "") -> list[object]:
        chosen = sum(1 << KINDS.index(kind) for kind in self.kinds)
        return [str(self.folder), chosen, self.at, self.number, int(self.from_then_on), log]

    def as_environment(self) -> dict[str, str]:
        """The same for processes that the program starts."""
        names = ("UNDER", "KINDS", "AT", "WITH", "ON", "LOG")
        return {f"FAIL_{name}": str(value) for name, value in zip(names, self.as_job(), strict=True)}


@dataclass(frozen=True, slots=True)
class Ended:
    """How the program ended: its exit code (negative: the signal), and all that it printed."""

    code: int
    printed: str


class Clock:
    """The time of day of a program, which jumps by what is set here."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.jump(0.0)

    def jump(self, seconds: float) -> None:
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))


class Program:
    """Runs one command at a time, each in a fork of a process that has everything loaded."""

    def __init__(self, server: asyncio.subprocess.Process, output: Path) -> None:
        self._server, self._output, self._pid = server, output, 0

    async def start(
        self,
        arguments: Sequence[object],
        folder: Path,
        *,
        failing: Failing | None = None,
        log: Path | None = None,
        limits: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        mutant: str = "",
    ) -> int:
        """Start the command in ``folder``; return its process id."""
        self._output.write_bytes(b"")
        job: dict[str, Any] = {
            "arguments": [*map(str, arguments)], "folder": str(folder), "output": str(self._output),
            "limits": dict(limits or {}), "mutant": mutant, "environment": {"COLUMNS": "200", **(environment or {})},
        }  # fmt: skip
        if failing is not None:
            job["failing"] = failing.as_job(str(log or ""))
            job["environment"] |= failing.as_environment()
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(job).encode() + b"\n")
        self._pid = int(await self._line())
        return self._pid

    async def end(self) -> Ended:
        """Wait until the command has ended; one that hangs says where, and is killed."""
        try:
            async with asyncio.timeout(HANGS_AFTER):
                code = int(await self._line())
        except TimeoutError:
            os.kill(self._pid, signal.SIGUSR1)
            await asyncio.sleep(0.5)
            os.kill(self._pid, signal.SIGKILL)
            await self._line()
            raise AssertionError(f"it hangs: {self.printed}") from None
        return Ended(code, self.printed)

    async def run(self, arguments: Sequence[object], folder: Path, **how: Any) -> Ended:
        """Start the command and wait for its end."""
        await self.start(arguments, folder, **how)
        return await self.end()

    @property
    def address_space(self) -> int:
        """Bytes of address space that the program takes before it does anything."""
        return int(Path(f"/proc/{self._server.pid}/statm").read_text().split()[0]) * resource.getpagesize()

    @property
    def printed(self) -> str:
        """What the command has printed so far."""
        return self._output.read_text("utf-8", "replace")

    async def _line(self) -> str:
        assert self._server.stdout is not None
        return (await self._server.stdout.readline()).decode().strip()


def signal_session(pid: int, number: signal.Signals) -> None:
    """Send a signal to the program ``pid`` and to all that it started."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(status.read_text().rpartition(")")[2].split()[3]) == pid:
                os.kill(int(status.parent.name), number)


def compiled(folder: Path) -> Path:
    """The interposed library, compiled into ``folder``."""
    library = folder / "interposed.so"
    if not library.exists():
        assert COMPILER is not None
        subprocess.run(
            [COMPILER, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lm", "-lpthread"], check=True
        )
    return library


@asynccontextmanager
async def attacked_program(folder: Path, **environment: str) -> AsyncIterator[Program]:
    """A program under the interposed library; ``folder`` is for the library and the output, and is not attacked."""
    folder.mkdir(exist_ok=True)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.program_server", cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "LD_PRELOAD": str(compiled(folder)),
             "OPENBLAS_NUM_THREADS": "1", **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        assert await server.stdout.readline() == b"ready\n"
        yield Program(server, folder / "printed")
    finally:
        assert server.stdin is not None
        server.stdin.close()
        with suppress(ProcessLookupError):
            server.send_signal(signal.SIGTERM)
        await server.wait()
