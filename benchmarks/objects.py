"""How fast a harvest into an object store is, beside the same one into a folder; all gates on, everything on loopback.

python -m benchmarks.objects [COUNT] [RUNS]: spectra a second and the CPU seconds of our process per thousand, medians,
each run with an empty place; and how many objects are missing or not, to the byte, what the archive served.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import obstore
from obstore.store import from_url

from benchmarks.hosts import SCENARIOS, hosted
from benchmarks.wares import Wares, make_wares, score
from tests.support.object_servers import BUCKET, moto, rclone


def harvest(archive: str, catalog: Path, out: str, concurrency: int, work: Path) -> tuple[float, float]:
    """Seconds from the run's first event to its last, and of the CPU, start and report included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    flags = {"archive": archive, "catalog": catalog, "out": out, "state": work, "concurrency": concurrency, "rate": 0}
    typed = [text for name, value in flags.items() for text in (f"--{name}", str(value))]
    subprocess.run(
        [sys.executable, "-m", "harvester", *typed, "--progress", "none"], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    home = Path(out) if "://" not in out else work / out.replace("://", "/")
    summary = next(home.glob(".harvester/runs/*/summary.json")).read_text()
    return json.loads(summary)["seconds"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wrong(wares: Wares, out: str) -> int:
    """How many of the wares are not there as they were served."""
    if "://" not in out:
        return len(wares.digests) - score(wares, Path(out)).right
    service = from_url(out)
    there = {
        one["path"]: hashlib.sha256(bytes(obstore.get(service, one["path"]).bytes())).hexdigest()
        for some in obstore.list(service)
        for one in some
        if one["path"].endswith(".fits")
    }
    return sum(there.get(name) != digest for name, digest in wares.digests.items())


def main() -> None:
    count, runs = (int(text) for text in (*sys.argv[1:], "1000", "3")[:2])
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wares = make_wares(count, work / "wares")
        wares.write_catalog(work / "wanted.csv")
        archive = stack.enter_context(hosted(SCENARIOS["static"], wares.folder, work))
        (work / "rclone").mkdir()
        servers = {"folder": None, "moto": stack.enter_context(moto(work))}
        servers["rclone"] = stack.enter_context(rclone(work / "rclone"))
        shown: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
        for run in range(runs):
            for concurrency in (8, 32):
                for kind, server in servers.items():
                    name = f"{kind}-{concurrency}-{run}"
                    out = f"s3://{BUCKET}/{name}" if server else str(work / name)
                    os.environ.update(server.environment if server else {})
                    took = harvest(f"{archive}/dlget", work / "wanted.csv", out, concurrency, work / "state")
                    shown.setdefault((kind, concurrency), []).append((*took, wrong(wares, out)))
    for (kind, concurrency), measured in shown.items():
        seconds, cpu = (median(values) for values in list(zip(*measured, strict=True))[:2])
        missed = sum(run[2] for run in measured)
        figures = f"{count / seconds:7.0f}/s, {1000 * cpu / count:5.2f} CPU s/1000, {missed} wrong"
        print(f"{kind:>8} {concurrency:>3}: {figures}")


if __name__ == "__main__":
    main()
