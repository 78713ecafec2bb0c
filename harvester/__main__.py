"""Run ``python -m harvester`` and the script ``harvester``."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from types import FrameType

STARTS = (["<module>"], ["<module>", "_run_code", "_run_module_as_main"])
"""What calls ``program`` where Python runs the script ``harvester``, or the module."""

UNIX_ONLY = ("fcntl", "resource")  # modules that Python lacks on Windows


def main() -> None:
    """Run the command line; report a missing package in one sentence."""
    try:
        from .cli import main as run_command_line
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "harvester":
            raise
        if error.name in UNIX_ONLY:
            print("harvester: it needs Linux or macOS; on Windows, use it in WSL", file=sys.stderr)
            sys.exit(2)
        print(
            f"harvester: this Python ({sys.executable}) lacks the package {error.name}; "
            f"install it: {sys.executable} -m pip install {error.name}",
            file=sys.stderr,
        )
        sys.exit(2)
    run_command_line()


def program() -> None:
    """Run the command line as the whole work of this process, which ends with it."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, int) and not _is_waited_for():
            _end(ended.code)
        raise


def _is_waited_for() -> bool:
    """Return whether the process has more to do than ``program``.

    A thread is to be waited for, or a profiler, a debugger or coverage reports at its end.
    """
    if not all(map(_is_idle, threading.enumerate())) or sys.getprofile() is not None or sys.gettrace() is not None:
        return True
    callers = list[str]()
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        callers.append(frame.f_code.co_name)
        frame = frame.f_back
    return callers not in STARTS


def _is_idle(thread: threading.Thread) -> bool:
    """Return whether the interpreter would not wait for this thread at its end."""
    return thread.daemon or thread is threading.main_thread()


def _end(code: int) -> None:
    """End the process as the interpreter does, but leave its memory to the system.

    To free it object by object takes 0.1 s after a run of 13,334 spectra, a third of what follows the last one.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    program()
