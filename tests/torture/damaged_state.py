"""Random damage to the state of a harvest: every spectrum is there after the next run, none is requested twice.

``python -m tests.torture.damaged_state --seed 0 --seconds 600``

Bytes are changed, cut off, zeroed and added in every file below ``.harvester``, and in ``SHA256SUMS``; now and then
files of the state, or spectra, are removed as well. The harvests ended or were killed, with one process or several,
with a catalog or ``--all``, in one folder or 256, with two DIDs of the same last segment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from click.testing import CliRunner

from harvester import events as ev
from harvester.cli import commands
from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.errors import HarvestError
from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum
from tests.support.harvests import harvest_from, leftovers, plan_faults, write_catalog
from tests.support.paths import REPOSITORY
from tests.torture.campaign import Trial, main
from tests.torture.scenes import Verdict

COUNT = 6
DIDS = list(listed_dids(COUNT))
TWIN = SpectrumId(DIDS[0].replace("ccd700/", "ccd700/other/"))
GONE = DIDS[2]  # 404: it fails, so that the ledger has a failure to remember
EXPECTED = Expectation(normalized=True)
BAND = "6.55e-07 6.57e-07"
PROFILE = 'name = "kept"\ntitle = "an archive"\nendpoint = "{}"\nssap = "{}"\n'
READERS = (
    ["verify", "--processes", "1"],
    ["status"],
    ["status", "--json"],
    ["failures"],
    ["plan"],
    ["report"],
    ["diff", "last", "disk"],
    ["quarantine", "list"],
)
LIKELY = 4  # times as often as other files: most can go wrong in the ledger


@dataclass(frozen=True, slots=True)
class Base:
    """A harvest to damage: how it was made, its folder, and the spectra that are not stored in it."""

    name: str
    killed_after: int = 0
    dids: Sequence[SpectrumId] = tuple(DIDS)
    how: Mapping[str, Any] = field(default_factory=dict)
    probes: int = 0
    """Requests for a stored spectrum by which a worker, which knows its own shard only, checks the 404."""
    out: Path = Path()
    missing: frozenset[SpectrumId] = frozenset()


BASES = (
    Base("ended"),
    Base("killed", 3),
    Base("processes", 2, how={"processes": 2}, probes=1),
    Base("hashed", how={"layout": "hashed"}),
    Base("one name for two", dids=(*DIDS, TWIN)),
    Base("all"),
)


@dataclass(frozen=True, slots=True)
class Scenery:
    """What all trials share."""

    archive: RunningArchive
    folder: Path
    bases: Sequence[Base]

    @property
    def profile(self) -> str:
        return str(self.folder / "archive.toml")


def stored(out: Path) -> Iterator[tuple[SpectrumId | None, Path]]:
    """The visible files of spectra, each with the DID that it has been verified to be of."""
    for path in (path for path in out.rglob("*.fits") if ".harvester" not in path.parts):
        body = path.read_bytes()
        right = (did for did in (*DIDS, TWIN) if isinstance(verify_spectrum(body, did, EXPECTED), VerifiedSpectrum))
        yield next(right, None), path


async def make(archive: RunningArchive, profile: str, folder: Path, base: Base) -> Base:
    """Make the harvest, or what a kill -9 would leave at that many saved spectra."""
    folder.mkdir()
    saved, out, copy = 0, folder / "out", folder / "killed"

    def kill(event: ev.Event) -> None:
        nonlocal saved
        saved += isinstance(event, ev.SpectrumSaved)
        if isinstance(event, ev.SpectrumSaved) and saved == base.killed_after:
            time.sleep(0.7)  # in which the ledger's thread writes some of it
            shutil.copytree(out, copy)

    if base.name == "all":
        await run_all(profile, out)
    else:
        for dids in dict.fromkeys((tuple(DIDS), tuple(base.dids))):
            await harvest_from(archive, out, dids, profile=profile, band=BAND, watchers=[kill], **base.how)
    out = copy if base.killed_after else out
    missing = frozenset(base.dids) - {did for did, _ in stored(out)}
    assert GONE in missing
    return replace(base, out=out, missing=missing)


def harm(path: Path, chance: Random) -> str:
    """Damage a file in some way; what was done to it."""
    content = bytearray(path.read_bytes())
    how = chance.choice(["flip", "flip", "flip", "few", "cut", "zero", "noise", "more", "swap", "remove"])
    at = chance.randrange(len(content)) if content else 0
    if how == "remove":
        path.unlink()
        return how
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
    """The files of the state, the ledger and its journal several times."""
    files = sorted(path for path in (out / ".harvester").rglob("*") if path.is_file())
    likely = [path for path in files if path.name.startswith("ledger.sqlite")] * LIKELY
    return files + likely + [path for path in (out / "SHA256SUMS",) if path.exists()]


def typed(arguments: Sequence[object]) -> int:
    """The exit code of a command: damage is found, said in a sentence, or does not matter."""
    done = CliRunner().invoke(commands, [*map(str, arguments)], standalone_mode=False)
    if isinstance(done.exception, HarvestError):
        assert "Traceback" not in str(done.exception)
        return done.exception.exit_code
    if done.exception is not None:
        raise done.exception
    return done.return_value or 0


def read(scenery: Scenery, base: Base, out: Path, reader: Sequence[str]) -> int:
    """The exit code of a reading command."""
    more: list[object] = [*reader, "--out", out]
    if reader[0] == "plan":
        catalog = ["--all"] if base.name == "all" else ["--catalog", str(base.out.parent / "catalog.csv")]
        more += [*catalog, "--archive", scenery.profile]
    if reader[0] in ("plan", "verify", "diff"):
        more += ["--band", BAND]
    if reader[0] == "report":
        more += ["-o", out.parent / "page.html"]
    return typed(more)


async def run_all(profile: str, out: Path) -> int:
    """The exit code of a run, as a process of its own, of all that the archive lists."""
    asked = ["run", "--all", "--archive", profile, "--out", str(out), "--band", BAND, "--rate", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harvester", *asked, "--progress", "none", cwd=out.parent,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" not in printed, printed
    assert process.returncode is not None
    return process.returncode


async def complete(scenery: Scenery, base: Base, out: Path) -> tuple[int, Counter[str]]:
    """The exit code of the next run, and what it requested."""
    archive = scenery.archive
    before, archive.log.by_did = archive.log.by_did, Counter()
    if base.name == "all":
        code = await run_all(scenery.profile, out)
    else:
        shown = await harvest_from(archive, out, base.dids, profile=scenery.profile, band=BAND, **base.how)
        code = shown.report.stats.exit_code or 0
    requested, archive.log.by_did = archive.log.by_did, before
    del requested[""]  # of lists
    return code, requested


async def judge(scenery: Scenery, base: Base, out: Path, missing: set[SpectrumId], chance: Random) -> Verdict:
    """Read the damaged harvest, complete it, and look at what is there."""
    complaints = []
    reader = chance.choice(READERS)
    if (code := await asyncio.to_thread(read, scenery, base, out, reader)) not in (0, 2, 3, 4, 6, 10):
        complaints.append(f"{' '.join(reader)} ended with {code}")
    code, requested = await complete(scenery, base, out)
    if code != 3:
        complaints.append(f"the next run ended with {code}")
    found = [did for did, _ in stored(out)]
    right = set(found) - {None}
    extra = max(0, sum(requested.values()) - len(set(requested) & missing) - base.probes)
    if extra:
        complaints.append(f"requested though stored, or twice: {requested - Counter(missing)}")
    partial = leftovers(out)
    complaints += [f"{path.relative_to(out)} is left" for path in partial]
    if (code := await asyncio.to_thread(read, scenery, base, out, READERS[0])) != 0:
        complaints.append(f"verify ended with {code}")
    lost = set(base.dids) - {GONE} - right
    return Verdict(len(found) - len(right), len(lost), len(partial), extra, 0, tuple(complaints))


async def trial(scenery: Scenery, base: Base, number: int) -> Trial:
    """The trial with this number."""
    chance = Random(number)
    out = Path(shutil.copytree(base.out, scenery.folder / "trial" / str(number)))
    files = list(dict.fromkeys(chance.sample(state_files(out), chance.choice([1, 1, 1, 2, 3]))))
    done = [f"{path.relative_to(out)} {harm(path, chance)}" for path in files]
    missing = set(base.missing)
    if chance.random() < 0.2:  # and spectra are gone with it
        did, path = chance.choice(sorted((did, path) for did, path in stored(out) if did))
        path.unlink()
        missing.add(did)
        done.append(f"{path.name} removed")
    try:
        verdict = await judge(scenery, base, out, missing, chance)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the trial has found
        verdict = Verdict(complaints=(f"{type(error).__name__}: {error}",))
    shutil.rmtree(out.parent)
    return f"damaged state, {base.name}", f"trial {number}: {', '.join(done)}", verdict


async def set_up(archive: RunningArchive, folder: Path) -> Scenery:
    """Make all bases."""
    profile = folder / "archive.toml"
    profile.write_text(PROFILE.format(archive.dlget, archive.dlget.replace("q/sdl/dlget", "q/ssa/ssap.xml")))
    made = []
    for base in BASES:
        made.append(await make(archive, str(profile), folder / base.name, base))
        write_catalog(folder / base.name / "catalog.csv", base.dids)
    return Scenery(archive, folder, made)


def faulty() -> DemoArchive:
    """The archive of all trials: one spectrum is not there."""
    return DemoArchive(count=COUNT, faults=plan_faults(n2="http_404"), knows_any=True)


async def campaign(folder: Path, seed: int) -> AsyncIterator[Trial]:
    """Trials without end, each base in turn."""
    async with serve(faulty()) as archive:
        scenery = await set_up(archive, folder)
        number = seed
        while True:
            yield await trial(scenery, scenery.bases[number % len(BASES)], number)
            number += 1


if __name__ == "__main__":
    main(campaign, __doc__)
