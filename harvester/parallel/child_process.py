"""Start a process of this program, connected by a socket that ends with either of the two."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from ..errors import ClusterError

_PROGRAM = """
import sys
sys.path[:] = {path!r}
from harvester.parallel.{module} import main
main()
"""


def start_child(
    module: str, output: Path, locks: tuple[int, ...] = ()
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start ``main`` of a module of this package.

    Return the process and our end of the socket.
    Its last argument is the number of its end. What it prints goes into the file ``output``. It inherits the
    descriptors ``locks``, which are then held until it ends. It shares nothing else with this process, and no signal of
    the terminal reaches it. ClusterError if it cannot be started.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise _not_started(error) from error
    home = str(Path(__file__).resolve().parents[2])
    # Python itself would look in the working directory first, where a user's own pickle.py may be.
    program = _PROGRAM.format(path=[*map(str, sys.path), home], module=module)
    try:
        with theirs, output.open("ab") as printed:
            process = subprocess.Popen(  # noqa: S603 - our own text
                [sys.executable, "-c", program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                pass_fds=(theirs.fileno(), *locks), process_group=0,
            )  # fmt: skip
    except OSError as error:
        ours.close()
        raise _not_started(error) from error
    return process, ours


def _not_started(error: OSError) -> ClusterError:
    return ClusterError(f"no further process can be started ({error}); try fewer --processes")


def remove_if_empty(output: Path) -> None:
    """Remove the file of what processes printed if they printed nothing."""
    with contextlib.suppress(OSError):
        if not output.stat().st_size:
            output.unlink()
