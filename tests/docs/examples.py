"""Run the examples of the guide, and replace printed outputs that no longer match.

``python -m tests.docs.examples [PAGE ...]`` rewrites the ``console`` blocks of the guide; read the diff before you
commit it. Every block of a page runs in its order, in one folder and one shell (or one Python namespace), against the
demo archive. A command has to end with exit code 0, or with the one that a comment behind it names: ``# exit code 10``.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.demo import listed_dids
from tests.docs.pages import GUIDE, blocks, setup_of
from tests.support.paths import REPOSITORY

SPECTRA = 12
MARK = "end-of-example"
# As pip writes it: processes that are spawned import it again, and must not run it.
SCRIPT = "from harvester.__main__ import main\n\nif __name__ == '__main__':\n    main()\n"
# What differs from run to run and from machine to machine.
VOLATILE = re.compile(
    r"\d{8}T\d{6}-[0-9a-f]{4}"  # a run's name
    r"|\d{4}-\d\d-\d\d( \d\d:\d\d)?|\d\d:\d\d(:\d\d)?"  # a time of day
    r"|\d[\d,.]* ?(ms|s|min|h|[kMGT]B)\b|\d[\d,.]* (a second|in one second)"
    r"|(aiohttp|Python|harvester)/[\w.+]+|process \d+ on \S+"
)
# Lines about the concurrency limit, whose number depends on how fast the machine is.
ADAPTING = re.compile(r"^\d\d:\d\d:\d\d (pace|limits): .*\n", re.M)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, and what the page says that it prints; ``output`` is None where it says nothing."""

    text: str
    output: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that the comment behind the command promises."""
        promised = re.search(r"# .*?exit code (\d+)", self.text)
        return int(promised[1]) if promised else 0


def write_catalog(folder: Path) -> None:
    """Write the ``labels.csv`` that the guide speaks of."""
    rows = [f"{did},{number % 2}" for number, did in enumerate(listed_dids(SPECTRA))]
    (folder / "labels.csv").write_text("\n".join(["id,label", *rows, ""]), encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the examples: the demo archive, as fast as it can, and this very harvester."""
    programs = folder / ".bin"
    programs.mkdir(exist_ok=True)
    scripts = {
        "harvester": f"#!{sys.executable}\n{SCRIPT}",
        "python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
    }
    for name, text in scripts.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "COLUMNS"))}
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return inherited | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": path,
        "HARVESTER_ARCHIVE": "demo",
        "HARVESTER_LIMITS__FIRST_WAIT": "0.1",
        "NO_COLOR": "1",
    }


class Shell:
    """One bash that runs the commands of a page."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=folder, env={**environment(folder), **variables},
        )  # fmt: skip

    def run(self, command: str) -> tuple[str, int]:
        """Return what ``command`` printed and its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\nprintf '\\n{MARK} %s\\n' $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(MARK):
                return "".join(lines).rstrip("\n"), int(line.split()[1])
            lines.append(line)
        raise AssertionError(f"the shell ended in: {command}\n{''.join(lines)}")

    def close(self) -> None:
        """End the shell."""
        self._process.communicate(timeout=60)


@contextmanager
def shell(folder: Path, variables: Mapping[str, str]) -> Iterator[Shell]:
    """Start a shell in ``folder``, and end it."""
    started = Shell(folder, variables)
    try:
        yield started
    finally:
        started.close()


def commands(language: str, text: str) -> list[Command]:
    """Split a block into its commands; one may span lines."""
    if language == "console":
        parts = re.split(r"^\$ ", text, flags=re.M)[1:]
        return [
            Command(*(part.rstrip("\n").split("\n", 1) if "\n" in part.rstrip("\n") else (part.rstrip(), "")))
            for part in parts
        ]
    found, pending = [], ""
    for line in text.splitlines():
        pending += line + "\n"
        if pending.strip() and _complete(pending):
            found.append(Command(pending.rstrip("\n")))
            pending = ""
    return found


def _complete(text: str) -> bool:
    if text.rstrip().endswith("\\"):
        return False
    return subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False).returncode == 0


def matches(expected: str, printed: str) -> bool:
    """Whether ``printed`` is what the page says, but for times, sizes and names of runs; ``...`` is anything."""
    want, got = (VOLATILE.sub("#", ADAPTING.sub("", text)) + "\n" for text in (expected, printed))
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


async def run_page(page: Path, folder: Path, variables: Mapping[str, str] | None = None) -> list[tuple[Command, str]]:
    """Run every block of ``page`` in ``folder``, the current one. Return the outputs that differ from the page.

    AssertionError for a command that ends with another exit code than the page says; what an example in Python raises.
    """
    write_catalog(folder)
    different: list[tuple[Command, str]] = []
    namespace: dict[str, Any] = {}
    with shell(folder, variables or {}) as bash:
        for line in setup_of(page):
            expect(bash, Command(line))
        for block in blocks(page, "sh", "console", "python"):
            if block.reason:
                continue
            if block.language == "python":
                await run_python(block.text, f"{page.name}, line {block.line}", namespace)
                continue
            for command in commands(block.language, block.text):
                printed = expect(bash, command)
                if command.output is not None and not matches(command.output, printed):
                    different.append((command, printed))
    return different


def expect(bash: Shell, command: Command) -> str:
    """Return what ``command`` prints. AssertionError where its exit code is not the promised one."""
    printed, code = bash.run(command.text)
    assert code == command.exit_code, f"{command.text}\nended with exit code {code}:\n{printed}"
    return printed


async def run_python(text: str, name: str, namespace: dict[str, Any]) -> None:
    """Run an example in Python as a notebook does: with ``await`` at the top level."""
    done = eval(compile(text, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
    if inspect.iscoroutine(done):
        await done


def update(page: Path, different: list[tuple[Command, str]]) -> None:
    """Replace the outputs in ``page`` that differ."""
    text = page.read_text(encoding="utf-8")
    for command, printed in different:
        old = f"$ {command.text}\n" + (f"{command.output}\n" if command.output else "")
        text = text.replace(old, f"$ {command.text}\n{printed}\n", 1)
    page.write_text(text, encoding="utf-8")


def main(pages: list[str]) -> None:
    """Update ``pages``, or the whole guide."""
    import asyncio

    for page in [Path(page).resolve() for page in pages] or GUIDE:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            different = asyncio.run(run_page(page, Path(folder)))
            os.chdir(REPOSITORY)
        update(page, different)
        print(f"{page.relative_to(REPOSITORY)}: {len(different)} outputs replaced")


if __name__ == "__main__":
    main(sys.argv[1:])
