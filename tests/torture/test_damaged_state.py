"""Random damage to the state of a harvest: every spectrum is there after the next run, none is fetched twice.

Bytes are changed, cut off, zeroed and added in the ledger, its journal, the event log, the summary, the lock, the
layout mark and what else a run keeps, in a harvest that ended and in one that was killed. Each trial follows from its
number:
``TORTURE_TRIALS=5000 TORTURE_FIRST=0 pytest tests/torture/test_damaged_state.py`` runs many more than the usual ones.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from harvester import events as ev
from harvester.cli import commands
from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.errors import HarvestError
from harvester.model.target import SpectrumId
from tests.support.harvests import fits_names, harvest_from, leftovers, plan_faults

TRIALS = int(os.environ.get("TORTURE_TRIALS", "25"))
FIRST = int(os.environ.get("TORTURE_FIRST", "0"))
TIME_LIMIT = float(os.environ.get("TORTURE_SECONDS", "3600"))
COUNT = 6
DIDS = list(listed_dids(COUNT))
GONE = DIDS[2]  # 404: it fails, so that the ledger has a failure to remember
BAND = "6.55e-07 6.57e-07"
PROFILE = 'name = "kept"\ntitle = "an archive"\nendpoint = "{}"\n'
READERS = (
    ["verify", "--processes", "1"],
    ["status"],
    ["status", "--json"],
    ["failures"],
    ["plan"],
    ["report"],
    ["diff", "last", "disk"],
)


@dataclass(frozen=True, slots=True)
class Harvest:
    """A harvest to damage: its folder, and the spectra that are not stored in it."""

    folder: Path
    missing: frozenset[SpectrumId]


async def made(archive: RunningArchive, folder: Path, profile: str, killed_after: int = 0) -> Harvest:
    """A harvest that ended, or what a kill -9 at that many saved spectra would leave."""
    saved, copy = 0, folder.with_name("killed")

    def kill(event: ev.Event) -> None:
        nonlocal saved
        saved += isinstance(event, ev.SpectrumSaved)
        if isinstance(event, ev.SpectrumSaved) and saved == killed_after:
            time.sleep(0.7)  # in which the ledger's thread writes some of it
            shutil.copytree(folder, copy)

    await harvest_from(archive, folder, DIDS, profile=profile, band=BAND, watchers=[kill], layout="flat")
    out = copy if killed_after else folder
    missing = {did for did in DIDS if not (out / f"{did.rpartition('/')[2]}.fits").exists()}
    return Harvest(out, frozenset(missing))


def harm(path: Path, chance: Random) -> str:
    """Damage a file in some way; what was done to it."""
    content = bytearray(path.read_bytes())
    how = chance.choice(["flip", "flip", "flip", "few", "cut", "zero", "noise", "more", "swap"])
    at = chance.randrange(len(content)) if content else 0
    if not content or how == "more":
        content += chance.randbytes(chance.choice([1, 100, 5000]))
    elif how == "flip":
        content[at] ^= 1 << chance.randrange(8)
    elif how == "few":
        for _ in range(chance.randint(2, 12)):
            content[chance.randrange(len(content))] = chance.randrange(256)
    elif how == "cut":
        del content[at:]
    elif how == "zero":
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    elif how == "noise":
        content[at : at + 64] = chance.randbytes(len(content[at : at + 64]))
    else:
        other = chance.randrange(len(content))
        content[at : at + 4096], content[other : other + 4096] = content[other : other + 4096], content[at : at + 4096]
    path.write_bytes(content)
    return f"{how} at {at}"


def state_files(out: Path) -> list[Path]:
    """The files of the state, the ledger and its journal many times: most can go wrong there."""
    files = sorted(path for path in (out / ".harvester").rglob("*") if path.is_file() and path.suffix != ".html")
    return files + [path for path in files if path.name.startswith("ledger.sqlite")] * 4


def read(out: Path, arguments: Sequence[str], catalog: Path, profile: str) -> int:
    """The exit code of a reading command: damage is found, said in a sentence, or does not matter."""
    more = ["--catalog", str(catalog), "--archive", profile] if arguments[0] == "plan" else []
    band = ["--band", BAND] if arguments[0] in ("plan", "verify", "diff") else []
    output = ["-o", str(out.parent / "page.html")] if arguments[0] == "report" else []
    done = CliRunner().invoke(commands, [*arguments, *more, *band, *output, "--out", str(out)], standalone_mode=False)
    if isinstance(done.exception, HarvestError):
        assert "Traceback" not in str(done.exception)
        return done.exception.exit_code
    if done.exception is not None:
        raise done.exception
    return done.return_value or 0


async def trial(archive: RunningArchive, base: Harvest, folder: Path, number: int, profile: str) -> str:
    """One trial; what was done."""
    chance = Random(number)
    out = Path(shutil.copytree(base.folder, folder))
    done = [(path, harm(path, chance)) for path in chance.sample(state_files(out), chance.choice([1, 1, 1, 2, 3]))]
    story = f"trial {number}: " + ", ".join(f"{path.relative_to(out)} {how}" for path, how in done)
    try:
        reader = chance.choice(READERS)
        assert read(out, reader, base.folder.parent / "catalog.csv", profile) in (0, 2, 3, 4, 6, 10), reader
        before, archive.log.by_did = archive.log.by_did, Counter()
        shown = await harvest_from(archive, out, DIDS, profile=profile, band=BAND)
        requested, archive.log.by_did = archive.log.by_did, before
        assert shown.report.stats.exit_code == 3, shown.report.stats
        assert fits_names(out) == {f"{did.rpartition('/')[2]}.fits" for did in DIDS if did != GONE}
        assert set(requested) <= base.missing
        assert all(times == 1 for times in requested.values()), "none is fetched twice"
        assert not leftovers(out)
        assert read(out, ["verify", "--processes", "1"], Path(), "") == 0
    except Exception as error:
        raise AssertionError(story) from error
    shutil.rmtree(out)
    return story


@pytest.mark.slow
@pytest.mark.parametrize("killed_after", [0, 3], ids=["ended", "killed"])
async def test_after_the_next_run_every_spectrum_is_there_and_none_was_fetched_twice(
    tmp_path: Path, killed_after: int
) -> None:
    deadline, stories = time.monotonic() + TIME_LIMIT, 0
    async with serve(DemoArchive(count=COUNT, faults=plan_faults(n2="http_404"))) as archive:
        profile = tmp_path / "archive.toml"
        profile.write_text(PROFILE.format(archive.dlget))
        base = await made(archive, tmp_path / "out", str(profile), killed_after)
        assert GONE in base.missing
        (base.folder.parent / "catalog.csv").write_text("id\n" + "\n".join(DIDS) + "\n")
        for number in range(FIRST, FIRST + TRIALS):
            if time.monotonic() > deadline:
                break
            await trial(archive, base, tmp_path / "trial" / str(number), number, str(profile))
            stories += 1
    assert stories
