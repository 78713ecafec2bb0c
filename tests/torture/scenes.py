"""What is attacked: every command that writes, each on a harvest that it changes; and how to judge what an attack left.

Nothing that is visible may be wrong or partial, nothing that was there may be lost, no command may end in a traceback,
and the next plain run must complete the harvest without requesting anything that is stored.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from harvester.config.profiles import load_profile
from harvester.demo import RunningArchive, listed_dids
from harvester.model.exit_codes import EXIT_CODES
from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum
from tests.support.attacked_program import Ended, Program
from tests.support.harvests import leftovers, write_catalog

COUNT = 8
DIDS = list(listed_dids(COUNT))
NAMES = {f"{did.rpartition('/')[2]}.fits": did for did in DIDS}
PROFILE = 'name = "attacked"\ntitle = "an archive"\nendpoint = "{}"\n'
CODES = (*(EXIT_CODES.keys() - {1}), 141)
"""The documented exit codes but that of a bug; 141 is that of a closed output."""

Arguments = Callable[["Stage"], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Scene:
    """A command, the kind of harvest it starts from, and a check that what else it writes is old or new."""

    name: str
    base: str
    arguments: Arguments
    other_file: Callable[[Stage], None] = field(default=lambda stage: None)
    requests: bool = True


@dataclass(frozen=True, slots=True)
class Stage:
    """One trial's folder: ``out`` is the harvest, ``about`` says of what, ``beside`` takes other files."""

    archive: RunningArchive
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def beside(self) -> Path:
        return self.folder / "beside"

    @property
    def about(self) -> list[str]:
        """The options of a run."""
        base = self.folder / "about"
        given = ["--archive", base / "archive.toml", "--catalog", base / "wanted.csv", "--out", self.out]
        return [*map(str, given), "--rate", "0", "--concurrency", "4", "--progress", "none"]

    def spectra(self) -> dict[str, Path]:
        """The visible spectra, by file name."""
        return {path.name: path for path in self.out.rglob("*.fits") if ".harvester" not in path.parts}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attack left: spectra that are wrong, were lost, temporary files after the next run, needless requests."""

    wrong: int = 0
    lost: int = 0
    partial: int = 0
    extra: int = 0
    code: int = 0
    complaints: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not (self.wrong or self.lost or self.partial or self.complaints)


def _export(stage: Stage) -> None:
    import pyarrow.parquet as pq

    if (stage.beside / "set.parquet").read_bytes() != b"old":
        assert pq.read_table(stage.beside / "set.parquet").num_rows == COUNT


def _report(stage: Stage) -> None:
    page = (stage.beside / "page.html").read_text("utf-8")
    assert page == "old" or page.rstrip().endswith("</html>")


def _discover(stage: Stage) -> None:
    if (stage.beside / "found.csv").read_text() != "old":
        with (stage.beside / "found.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == COUNT
    if (stage.beside / "found.toml").read_text() != "old":
        load_profile(str(stage.beside / "found.toml"))


def _run(*more: str) -> Arguments:
    return lambda stage: ["run", *stage.about, *more]


def _beside(command: str, *names: str) -> Arguments:
    return lambda stage: [*command.split(), *(stage.beside / name for name in names), "--out", stage.out]


def _discovering(stage: Stage) -> Sequence[object]:
    to = ["-o", stage.beside / "found.toml", "--catalog", stage.beside / "found.csv", "--force"]
    return ["discover", stage.archive.dlget.replace("q/sdl/dlget", "q/ssa/ssap.xml"), *to, "--rate", "0"]


SCENES = (
    Scene("run", "empty", _run()),
    Scene("resume", "half", _run()),
    Scene("refresh", "whole", _run("--refresh")),
    Scene("verify --fix", "damaged", _beside("verify --fix --processes 1"), requests=False),
    Scene("layout", "whole", _run("--layout", "hashed"), requests=False),
    Scene("export", "whole", _beside("export", "set.parquet"), _export, requests=False),
    Scene("report", "whole", _beside("report -o", "page.html"), _report, requests=False),
    Scene("discover", "whole", _discovering, _discover, requests=False),
    Scene("processes", "empty", _run("--processes", "2")),
)
BY_NAME: Mapping[str, Scene] = {scene.name: scene for scene in SCENES}


async def make_bases(program: Program, archive: RunningArchive, folder: Path) -> None:
    """Make ``folder/empty``, ``half``, ``whole`` and ``damaged``: harvests to attack copies of."""
    for name in ("empty", "half", "whole", "damaged"):
        stage = Stage(archive, folder / name)
        (stage.folder / "about").mkdir(parents=True)
        stage.beside.mkdir()
        for other in ("set.parquet", "page.html", "found.csv", "found.toml"):
            (stage.beside / other).write_text("old")
        (stage.folder / "about" / "archive.toml").write_text(PROFILE.format(archive.dlget))
        write_catalog(stage.folder / "about" / "wanted.csv", DIDS)
        if name == "empty":
            stage.out.mkdir()
            continue
        limit = ["--limit", "4"] if name == "half" else []
        ended = await program.run(["run", *stage.about, *limit], stage.folder)
        assert ended.code == (4 if limit else 0), ended.printed
        if name == "damaged":
            path = min(stage.spectra().values())
            path.write_bytes(path.read_bytes()[:-2880])


def staged(archive: RunningArchive, bases: Path, scene: Scene, folder: Path) -> Stage:
    """A copy of the scene's base for one trial."""
    shutil.copytree(bases / scene.base, folder)
    return Stage(archive, folder)


def right_spectra(stage: Stage) -> set[str]:
    """The names of visible files that are what they should be."""
    expected = Expectation(normalized=True)
    return {
        name
        for name, path in stage.spectra().items()
        if name in NAMES
        and isinstance(verify_spectrum(path.read_bytes(), SpectrumId(NAMES[name]), expected), VerifiedSpectrum)
    }


async def judge(program: Program, stage: Stage, scene: Scene, before: set[str], ended: Ended | None) -> Verdict:
    """Look at what an attack left, then let a plain run complete it.

    ``before``: the right spectra that were there. ``ended``: None where the command was cut off.
    """
    complaints = [] if ended is None else _complaints(ended)
    visible, right = set(stage.spectra()), right_spectra(stage)
    wrong = len(visible - right) - (1 if scene.base == "damaged" and len(visible - right) else 0)
    try:
        scene.other_file(stage)
    except (AssertionError, OSError, ValueError) as error:
        complaints.append(f"what it wrote beside the harvest is neither old nor new: {error}")
    if ended is not None and ended.code == 0 and scene.requests and right != set(NAMES):
        complaints.append("it reported success without all spectra")
    verdict = Verdict(wrong, len(before - right), 0, 0, 0 if ended is None else ended.code, tuple(complaints))
    return await _completed(program, stage, scene, right, verdict)


def _complaints(ended: Ended) -> list[str]:
    wrong = [] if ended.code in CODES else [f"exit code {ended.code}"]
    found = re.findall(r"Traceback|internal error[:;]|\w*Exception\b", ended.printed)
    return wrong + [f"it printed {word!r}" for word in found]


async def _served_all_before(archive: RunningArchive) -> None:
    """Wait until what a killed program has sent is counted, so that it is not taken for the next run's."""
    async with aiohttp.ClientSession() as client:
        for _ in range(2):  # the first one accepts all connections, the second one comes after what they had sent
            async with client.get(f"{archive.url}/"):
                pass


async def _completed(program: Program, stage: Stage, scene: Scene, right: set[str], verdict: Verdict) -> Verdict:
    complaints = list(verdict.complaints)
    await _served_all_before(stage.archive)
    before, stage.archive.log.by_did = stage.archive.log.by_did, Counter()
    layout = ["--layout", "hashed"] if scene.name == "layout" else []
    ended = await program.run(["run", *stage.about, *layout], stage.folder)
    asked, stage.archive.log.by_did = stage.archive.log.by_did, before
    missing = {NAMES[name] for name in NAMES if name not in right}
    complaints += _complaints(ended)
    if ended.code != 0:
        complaints.append(f"the next run ended with {ended.code}: {ended.printed[-500:]}")
    if right_spectra(stage) != set(NAMES):
        complaints.append("the next run did not complete the harvest")
    extra = sum(asked.values()) - len(missing)
    verified = await program.run(["verify", "--json", "--processes", "1", "--out", str(stage.out)], stage.folder)
    if verified.code != 0:
        complaints.append(f"verify ended with {verified.code}: {verified.printed[-500:]}")
    if leftovers(stage.beside):  # they go with the next command that writes there
        again = await program.run(scene.arguments(stage), stage.folder)
        complaints += _complaints(again)
    partial = leftovers(stage.folder)
    complaints += [f"{path.relative_to(stage.folder)} is left" for path in partial]
    if extra > 0:
        complaints.append(f"stored spectra were requested again: {sorted(set(asked) - missing)}")
    return replace(verdict, partial=len(partial), extra=max(extra, 0), complaints=tuple(complaints))


def summary_of(out: Path) -> dict[str, object]:
    """The last run's summary.json; empty if there is none."""
    found = sorted((out / ".harvester" / "runs").glob("*/summary.json"))
    return dict(json.loads(found[-1].read_text())) if found else {}
