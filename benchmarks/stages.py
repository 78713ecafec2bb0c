"""Where one spectrum's time goes: python -m benchmarks.stages. CPU microseconds of each stage by itself, no delay.

Every stage works through the same synthetic spectra: fetched from a server on loopback (nginx if it is installed), put
through the gates, committed in batches, said as events. What a harvest takes beyond their sum are its queues, and the
threads' and the caches' taking turns. CPU of this process and its threads; the best of several rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.hosts import SCENARIOS, hosted
from benchmarks.wares import make_wares
from harvester import events as ev
from harvester.archive.access import SodaAccess
from harvester.archive.client import ArchiveClient
from harvester.demo import COLLECTION
from harvester.events.bus import EventBus
from harvester.events.politeness import PolitenessRecorder
from harvester.events.serialize import to_json
from harvester.events.stats import StatsCollector
from harvester.fits.digest import content_digest
from harvester.fits.hdu import read_hdus
from harvester.fits.reader import decode, spectral_part
from harvester.model.conventions import NO_CONVENTIONS
from harvester.model.expectation import Expectation
from harvester.model.limits import Limits
from harvester.model.outcomes import Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.storage.atomic import commit
from harvester.ui.view import DashboardView
from harvester.verify import verify_spectrum
from harvester.verify.checks import check_science
from harvester.vo.soda import SodaRequest

_AT_ONCE = 8
_EXPECTED = Expectation(normalized=True)
_ASKED = SodaRequest("http://127.0.0.1/dlget")
Stage = tuple[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Batch:
    """The spectra that every stage works through, and the address of the server that has them."""

    targets: Sequence[Target]
    bodies: Sequence[bytes]
    url: str


def fetched(batch: Batch) -> None:
    """Ask for all of them, as the harvest's client does."""
    asyncio.run(_fetch(batch))


async def _fetch(batch: Batch) -> None:
    async def turn() -> bool:
        return True

    waiting = iter(batch.targets)
    route = SodaAccess(SodaRequest(f"{batch.url}/dlget"))
    async with ArchiveClient(route, Limits(concurrency=_AT_ONCE), None, _ignore, turn) as archive:

        async def work() -> None:
            for target in waiting:
                await archive.fetch(target, _ignore)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _ignore(_event: object) -> None:
    """Listens to nothing."""


def verification(batch: Batch) -> Iterator[Stage]:
    """The gates, whole and by their parts."""
    walked = [(raw, read_hdus(raw)) for raw in batch.bodies]
    parts = [(raw, hdus, spectral_part(hdus), NO_CONVENTIONS) for raw, hdus in walked]
    spectra = [decode(*part) for part in parts]
    pairs = list(zip(batch.bodies, batch.targets, strict=True))
    yield "verify, all gates", lambda: [verify_spectrum(raw, target.did, _EXPECTED) for raw, target in pairs]
    yield "  headers and sizes", lambda: [spectral_part(read_hdus(raw)) for raw in batch.bodies]
    yield "  arrays", lambda: [decode(*part) for part in parts]
    yield "  science", lambda: [check_science(spectrum, _EXPECTED) for spectrum in spectra]
    yield "  SHA-256 of the file", lambda: [hashlib.sha256(raw).hexdigest() for raw in batch.bodies]
    yield "  digest of the content", lambda: [content_digest(raw, hdus) for raw, hdus in walked]


def committed(batch: Batch, folder: Path, together: int) -> None:
    """Give all of them names in ``folder``, ``together`` at a time."""
    files = [(f"{target.name}.fits", raw) for target, raw in zip(batch.targets, batch.bodies, strict=True)]
    for first in range(0, len(files), together):
        commit(folder, files[first : first + together], together=True)


def said(batch: Batch) -> Iterator[Stage]:
    """What is said of one spectrum, to the one who counts, and to the one who shows or writes it."""
    proofs = [
        verify_spectrum(raw, target.did, _EXPECTED) for raw, target in zip(batch.bodies, batch.targets, strict=True)
    ]
    sound = [
        (target, proof)
        for target, proof in zip(batch.targets, proofs, strict=True)
        if isinstance(proof, VerifiedSpectrum)
    ]
    tally = StatsCollector()
    counted, shown = EventBus(tally, PolitenessRecorder("benchmark")), EventBus(DashboardView(lambda: tally.stats))
    for name, bus in (("events, counted", counted), ("events, on the dashboard", shown)):
        yield name, partial(_tell, bus, sound)
    saved = [ev.SpectrumSaved(0.0, Saved(target, proof, 1, 0.1, "")) for target, proof in sound]
    yield "a line of events.jsonl", lambda: [to_json(event) for event in saved]


def _tell(bus: EventBus, sound: Sequence[tuple[Target, VerifiedSpectrum]]) -> None:
    for target, proof in sound:
        for event in _story(target, proof):
            bus.emit(event)


def _story(target: Target, proof: VerifiedSpectrum) -> Iterator[ev.Event]:
    now = time.time()
    for phase in ev.Phase:
        yield ev.PhaseEntered(now, target, 1, phase)
    yield ev.RequestSent(now, _ASKED.url(target.did))
    yield ev.ResponseReceived(now, target, 200, 0.01, proof.size)
    yield ev.SpectrumSaved(now, Saved(target, proof, 1, 0.1, ""))


def measure(stage: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the quickest round."""
    took = []
    for _ in range(rounds):
        began = time.process_time()
        stage()
        took.append(time.process_time() - began)
    return min(took)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description="Where one spectrum's time goes.")
    parser.add_argument("--files", type=int, default=1000, help="how many spectra (default 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often; the best counts (default 5)")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure (default: the temporary one)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="stages-", dir=chosen.work) as folder:
        work = Path(folder)
        wares = make_wares(chosen.files, work / "wares")
        names = [Path(name).stem for name in wares.digests]
        targets = [Target(SpectrumId(f"{COLLECTION}{name}"), name) for name in names]
        bodies = [(wares.folder / name).read_bytes() for name in wares.digests]
        with hosted(SCENARIOS["static"], wares.folder, work) as url:
            batch = Batch(targets, bodies, url)
            stages = [("fetch", lambda: fetched(batch)), *verification(batch)]
            stages += [(f"commit, {size} at once", partial(committed, batch, work, size)) for size in (1, 8, 32)]
            for name, stage in [*stages, *said(batch)]:
                print(f"{name:26} {1e6 * measure(stage, chosen.rounds) / len(targets):8.1f} us")


if __name__ == "__main__":
    main()
