"""One client's run, measured: wall time, CPU and memory of it and all its children, and what it left. Linux only."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Client, Command, Errand
from benchmarks.hosts import HOME, Scenario, hosted
from benchmarks.wares import Score, Wares, score

_LOOK = 0.05  # seconds between two looks at a client's memory
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: ``seconds`` by the clock, ``cpu`` in seconds, ``memory`` in MB at its peak, and what it left.

    ``ended`` is the exit code, negative for the signal that ended it, None for a client that took too long. ``check``
    is the seconds that reading and syncing all files took afterwards: 0 for us, who have done that; None: not measured.
    """

    client: str
    concurrency: int
    seconds: float
    cpu: float
    memory: float
    score: Score
    ended: int | None
    said: str
    check: float | None = None

    @property
    def checked_rate(self) -> float | None:
        """Right files a second, with the check."""
        return None if self.check is None else self.score.right / (self.seconds + self.check)

    @property
    def rate(self) -> float:
        """Right files a second."""
        return self.score.right / self.seconds

    @property
    def cpu_per_thousand(self) -> float | None:
        """CPU seconds for a thousand right files."""
        return 1000 * self.cpu / self.score.right if self.score.right else None


def race(
    client: Client, wares: Wares, scenario: Scenario, concurrency: int, work: Path, patience: float, checked: bool
) -> Run:
    """Send ``client`` for ``wares``, to a server without earlier requests, and inspect what it downloaded.

    Everything is written below ``work`` and removed again. Dirty pages of earlier runs are written first, so that
    no client waits for another's disk.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder, hosted(scenario, wares.folder, Path(folder)) as url:
        home, out = Path(folder), Path(folder) / "out"
        out.mkdir()
        command = [client.path or client.program, *client.command(Errand(wares, url, out, home, concurrency))]
        os.sync()
        with _outlet(client.terminal, home / "said") as outlet:
            began = time.perf_counter()
            pid = _start(command, home, outlet, client.terminal)
        with _watched(pid, patience) as watch:
            _, status, used = os.wait4(pid, 0)
            seconds = time.perf_counter() - began
        ended = None if watch.late else os.waitstatus_to_exitcode(status)
        cpu = used.ru_utime + used.ru_stime
        said = _last_words(home / "said")
        check = (0.0 if client.ours else _check(out)) if checked else None
        return Run(client.name, concurrency, seconds, cpu, watch.memory, score(wares, out), ended, said, check)


def _check(out: Path) -> float:
    """Seconds that it takes to read and sync what lies in ``out``; what is damaged is counted elsewhere."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.same_work", str(out)]
    subprocess.run(command, cwd=HOME, check=False, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def _start(command: Command, home: Path, outlet: int, terminal: bool) -> int:
    """Start ``command`` at the head of a group of its own; its process id, for wait4 alone to wait for."""
    entrance = outlet if terminal else subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        stdin=entrance,
        stdout=outlet,
        stderr=outlet,
        cwd=home,
        env=_environment(),
        start_new_session=True,
    )
    process.returncode = 0  # Popen warns of a child whose end it did not see
    return process.pid


def _environment() -> dict[str, str]:
    """Ours without what would change a harvest, and with our modules on its path, compiled once as pip does."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
    ours.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**ours, "PYTHONPATH": str(HOME), "TERM": "xterm-256color"}


@dataclass(slots=True)
class _Watch:
    """What a look now and then shows. The size of a process that has ended is unknown: wait4 counts in what
    its parent had before the exec."""

    memory: float = 0.0
    late: bool = False


@contextmanager
def _watched(pid: int, patience: float) -> Iterator[_Watch]:
    """Look at ``pid`` until the block ends, and end it and its children after ``patience`` seconds."""
    watch, over, deadline = _Watch(), threading.Event(), time.monotonic() + patience

    def look() -> None:
        while not over.wait(_LOOK):
            watch.memory = max(watch.memory, _megabytes(pid))
            if time.monotonic() > deadline and not watch.late:
                watch.late = True
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield watch
    except BaseException:  # a Ctrl-C is for us: the client has a session of its own and would go on
        os.killpg(pid, signal.SIGKILL)
        raise
    finally:
        over.set()
        looking.join()


def _megabytes(pid: int) -> float:
    """The highest that ``pid`` and its children that live now ever were, in MB; 0 where they ended meanwhile."""
    home = Path("/proc") / str(pid)
    try:
        peak = _PEAK.search((home / "status").read_text())
        children = (home / "task" / str(pid) / "children").read_text().split()
    except OSError:
        return 0.0
    return (int(peak[1]) / 1024 if peak else 0.0) + sum(_megabytes(int(child)) for child in children)


@contextmanager
def _outlet(terminal: bool, log: Path) -> Iterator[int]:
    """Where a client writes to: a file, or a terminal of 100 by 30 that is read as fast as it writes."""
    if not terminal:
        with log.open("wb") as file:
            yield file.fileno()
        return
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    threading.Thread(target=_drain, args=(ours, log), daemon=True).start()
    try:
        yield theirs
    finally:
        os.close(theirs)


def _drain(terminal: int, log: Path) -> None:
    """Until the other end is closed, which on Linux is an error."""
    with log.open("wb") as file, suppress(OSError):
        while shown := os.read(terminal, 1 << 16):
            file.write(shown)
    os.close(terminal)


def _last_words(log: Path) -> str:
    """The last line that a client wrote, which explains its exit code."""
    lines = log.read_text("utf-8", "replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[-200:]
