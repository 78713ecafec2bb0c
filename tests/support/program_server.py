"""Fork the whole program, loaded once, for each line of JSON on standard input: tenths of a second for each trial.

A line has ``arguments``, ``folder`` (where it runs), ``output`` (a file), and may have ``limits`` (of ``resource``),
``environment``, ``mutant`` (code that spoils the program) and ``failing``, the arguments of ``interposed_arm``. The
answers are the process id, and how it ended.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
from importlib import import_module
from typing import Any

LOADED = (
    "harvester.cli", "harvester.cli.run", "harvester.cli.verify", "harvester.cli.report", "harvester.cli.discover",
    "harvester.cli.export", "harvester.run.execute", "harvester.run.prepare", "harvester.report.page", "aiohttp",
    "harvester.ui.display", "harvester.ui.summary", "harvester.archive.client", "harvester.fits.reader",
)  # fmt: skip


def say_where(number: int, frame: object) -> None:
    """Print where the program hangs: its tasks and threads."""
    faulthandler.dump_traceback()
    for task in asyncio.all_tasks():
        task.print_stack()


def become(job: dict[str, Any]) -> None:
    """Turn this fork into the program of ``job``; arm what is to fail at the end."""
    os.setsid()
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    silence = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((silence, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, number)
    signal.signal(signal.SIGUSR1, say_where)
    os.chdir(job["folder"])
    os.environ.update(job.get("environment", {}))
    sys.argv = ["harvester", *job["arguments"]]
    exec(job.get("mutant", ""), {})
    for name, most in job.get("limits", {}).items():
        resource.setrlimit(getattr(resource, name), (most, most))
    if failing := job.get("failing"):
        folder, kinds, at, number, from_then_on, log = failing
        arm = ctypes.CDLL(None).interposed_arm
        arm.argtypes = (ctypes.c_char_p, ctypes.c_uint, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_char_p)
        arm(folder.encode(), kinds, at, number, from_then_on, log.encode())


def main() -> None:
    """Serve until standard input ends; in a fork, run the program and exit as it does."""
    for name in LOADED:
        import_module(name)
    print("ready", flush=True)
    while line := os.read(0, 1 << 20):
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            become(job)
            import_module("harvester.cli").main()
        os.write(1, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
