"""What the benchmarks' servers offer: synthetic spectra as files in one folder, all different, 43 kB each."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from harvester.demo import COLLECTION, listed_dids
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration

TODAY = date(2024, 5, 17)


@dataclass(frozen=True, slots=True)
class Wares:
    """Digests by file name, in the order in which all are asked for; ``folder`` is where the files lie."""

    folder: Path
    digests: dict[str, str]

    def first(self, count: int) -> Wares:
        """The first ``count`` of them, for those who would take too long over all."""
        return Wares(self.folder, dict(list(self.digests.items())[:count]))

    def write_catalog(self, path: Path) -> None:
        """The publisher DIDs as a CSV that harvester takes."""
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["id"], *([f"{COLLECTION}{Path(name).stem}"] for name in self.digests)])


@dataclass(frozen=True, slots=True)
class Score:
    """What a client left: ``wrong`` files have the name of a spectrum and other bytes than the server has for it."""

    right: int
    wrong: int
    missing: int


def make_wares(count: int, folder: Path) -> Wares:
    """Write the first ``count`` spectra of the demo archive to ``folder``, about a thousand in a second."""
    folder.mkdir()
    digests = {}
    for did in listed_dids(count):
        body = spectrum_fits(observe(did), Calibration.NORMALIZED, today=TODAY)
        name = f"{did.removeprefix(COLLECTION)}.fits"
        (folder / name).write_bytes(body)
        digests[name] = hashlib.sha256(body).hexdigest()
    return Wares(folder, digests)


def score(wares: Wares, out: Path) -> Score:
    """Compare every file in ``out`` with what the server has under its name."""
    found = {name: out / name for name in wares.digests if (out / name).is_file()}
    right = sum(hashlib.sha256(path.read_bytes()).hexdigest() == wares.digests[name] for name, path in found.items())
    return Score(right, len(found) - right, len(wares.digests) - len(found))
