"""Write commands that run when they are pasted.

They start this program as the user started it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

LAUNCHERS = ("uv", "uvx", "pipx", "pixi", "poetry", "hatch", "pdm")  # they run a program in an environment of theirs
FALLBACK = ("python", "-m", "harvester")  # in a notebook or another program


def command_line(*arguments: str) -> str:
    """Return a command of this program with ``arguments``, quoted for a shell."""
    return shlex.join([*program(), *arguments])


def install_line(*requirements: str) -> str:
    """Return a command that installs ``requirements`` for the Python that runs this program."""
    return shlex.join([_shortest(sys.executable) or "python", "-m", "pip", "install", *requirements])


def program() -> tuple[str, ...]:
    """Return the words with which the user started this program, without its arguments."""
    return _program(sys.argv, sys.orig_argv, _command_of(os.getppid()))


def _program(argv: Sequence[str], orig_argv: Sequence[str], parent: Sequence[str]) -> tuple[str, ...]:
    """Return the program's words by ``sys.argv``, ``sys.orig_argv`` and the parent's command."""
    name, arguments = Path(argv[0] if argv else ""), list(argv[1:])
    started_as_module = (name.parent.name, name.name) == ("harvester", "__main__.py")
    if not started_as_module and name.name != "harvester":
        return FALLBACK
    launched = _before(parent, arguments)
    if launched and Path(launched[0]).name in LAUNCHERS:
        return (_shortest(launched[0]), *launched[1:])
    if started_as_module:
        return tuple(_before(orig_argv, arguments)) or FALLBACK
    return (_shortest(argv[0]),)


def _before(words: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return ``words`` without ``arguments`` at their end; nothing if they do not end so."""
    split = len(words) - len(arguments)
    return list(words[:split]) if split > 0 and list(words[split:]) == list(arguments) else []


def _shortest(path: str) -> str:
    """Return the bare name where the shell finds ``path`` by it, else ``path``."""
    found = shutil.which(Path(path).name)
    if found is not None and Path(found).absolute() == Path(path).absolute():
        return Path(path).name
    return path


def _command_of(process: int) -> list[str]:
    """Return the command line of another process, as far as this system tells it."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:  # no /proc, or not ours to read
        return []
