"""The program ends without freeing its memory first, and leaves out nothing else that Python does at its end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harvester import __version__
from tests.support.paths import REPOSITORY

ENDED = """
import atexit, threading, time
atexit.register(print, "ended")
from harvester.__main__ import main
"""
SLOW = "threading.Thread(target=lambda: (time.sleep(0.2), print('waited for'))).start()\n"


@pytest.mark.parametrize(
    ("before", "arguments", "code", "said"),
    [
        ("", ["--version"], 0, ["ended"]),
        ("", ["plan", "--catalog", "no.csv"], 2, ["ended"]),
        (SLOW, ["--version"], 0, ["waited for", "ended"]),
    ],
    ids=["as asked", "by an error", "with a thread left"],
)
def test_the_end_is_that_of_the_interpreter(before: str, arguments: list[str], code: int, said: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{ENDED}{before}main()", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if __version__ not in line]
    assert (done.returncode, lines) == (code, said)
