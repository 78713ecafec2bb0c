"""An archive that means harm: its bodies end at a cap, its words are only words, and what we keep is ours alone."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harvester.demo import listed_dids
from tests.support.fault_server import Exchange, Fault, endless, head, ok, says, serving_faults
from tests.support.harvests import fits_names, write_catalog
from tests.support.paths import REPOSITORY

HERE = REPOSITORY
DIDS = list(listed_dids(8))
MEASURED = """
import atexit, resource, sys
from harvester.cli import main
atexit.register(lambda: print(f"RSS={resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", file=sys.stderr))
main()
"""


async def command(program: list[str], folder: Path, *arguments: str) -> tuple[int, bytes]:
    """A real process; its exit code, and every byte that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, printed


async def harvester(folder: Path, *arguments: str) -> tuple[int, bytes]:
    return await command(["-m", "harvester"], folder, *arguments)


# ---- memory


async def flood(exchange: Exchange) -> None:
    await exchange.say(endless(b""))
    while not exchange.writer.is_closing():
        await exchange.say(b"x" * 1_000_000)


BOMB = gzip.compress(b"\0" * 300_000_000, 6)


async def peak(tmp_path: Path, name: str, faults: Mapping[str, Fault]) -> tuple[float, bytes]:
    """The most megabytes that a whole harvest of all of ``DIDS`` took, and what it printed."""
    (tmp_path / name).mkdir()
    catalog = write_catalog(tmp_path / name / "labels.csv", DIDS)
    async with serving_faults(faults) as server:
        asked = ["--catalog", str(catalog), "--archive", server.archive.dlget, "--out", "out", "--rate", "0"]
        _, printed = await command(["-c", MEASURED], tmp_path / name, *asked, "--progress", "plain")
    match = re.search(rb"RSS=(\d+)", printed)
    assert match is not None, printed
    return int(match[1]) / 1024, printed


@pytest.mark.parametrize(
    "fault",
    [says(endless(BOMB, "Content-Encoding: gzip")), flood, says(lambda _: ok(b"", length=2**40))],
    ids=["gzip bombs", "bodies without end", "a terabyte announced"],
)
async def test_bodies_stop_at_the_cap_in_memory(tmp_path: Path, fault: Fault) -> None:
    quiet, _ = await peak(tmp_path, "quiet", {})
    most, printed = await peak(tmp_path, "hostile", dict.fromkeys(DIDS[::2], fault))
    assert b"too_large" in printed
    assert b"raise limits.max_bytes if such spectra are expected" in printed
    assert fits_names(tmp_path / "hostile" / "out") == {f"{did.rpartition('/')[2]}.fits" for did in DIDS[1::2]}
    # All eight at once may hold a body and what it inflates to, 16 MiB each.
    assert most - quiet < 8 * 2 * 16 + 32, f"{most - quiet:.0f} MB more than a quiet harvest"


# ---- words

EVIL = b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b5n\xc2\x9b6n\x08\x08\r\xe2\x80\xae\x00 words"
EVIL_HEADER = "\x1b]0;owned\x07\x1b[2J\x9b5n"


def spoken(status: str, *lines: str) -> Fault:
    return says(head(f"Content-Length: {len(EVIL)}", *lines, status=status) + EVIL)


TALKERS: Mapping[str, Fault] = {
    DIDS[0]: spoken("404 Not Found"),
    DIDS[1]: spoken("500 Oops"),
    DIDS[2]: spoken("200 OK"),
    DIDS[3]: says(head(f"Location: http://evil.example/{EVIL_HEADER}", "Content-Length: 0", status="302 Found")),
    DIDS[4]: says(head(f"Content-Encoding: {EVIL_HEADER}", "Content-Length: 4") + b"body"),
    DIDS[5]: says(b"HTTP/1.1 " + EVIL.replace(b"\r", b"") + b"\r\n\r\n"),
    DIDS[6]: says(lambda good: ok(good + EVIL)),
}
HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def assert_harmless(printed: bytes, what: str) -> None:
    found = HARMFUL.search(printed.decode("utf-8", "surrogateescape"))
    assert found is None, f"{what}: {printed[max(0, found.start() - 200) : found.start() + 50]!r}"
    assert b"\x1b" not in printed


@pytest.mark.parametrize("how", ["plain", "json", "none"])
async def test_no_word_of_the_server_moves_the_cursor(tmp_path: Path, how: str) -> None:
    catalog = write_catalog(tmp_path / "labels.csv", [*DIDS[7:], *DIDS[:7]])  # a served one first: no outage
    (tmp_path / "config.toml").write_text("[limits]\nattempts = 1\nrate = 0\n")
    async with serving_faults(TALKERS) as server:
        asked = ["--catalog", str(catalog), "--archive", server.archive.dlget, "--out", "out"]
        code, printed = await harvester(tmp_path, *asked, "--progress", how)
    assert code == 4, printed
    assert_harmless(printed, how)
    for arguments in (["failures"], ["failures", "--json"], ["status"], ["status", "--json"]):
        _, printed = await harvester(tmp_path, *arguments, "--out", "out")
        assert_harmless(printed, " ".join(arguments))
    _, printed = await harvester(tmp_path, "failures", "--out", "out")
    assert b"words" in printed
    (run,) = (tmp_path / "out" / ".harvester" / "runs").iterdir()
    for name in ("summary.json", "events.jsonl"):
        assert_harmless((run / name).read_bytes(), name)
    assert_private(tmp_path / "out" / ".harvester", run)


def assert_private(state: Path, run: Path) -> None:
    """What is remembered and kept as evidence is closed to others, whatever the umask."""
    for path in (state, state / "quarantine", run):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    kept = list((state / "quarantine").iterdir())
    assert len(kept) >= 4
    for path in (state / "ledger.sqlite", *kept):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
