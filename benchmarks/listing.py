"""What it takes to list a large archive: requests, CPU and memory of `discover --catalog`.

python -m benchmarks.listing [--rows 1000000] [--by tap tiles]: a server of synthetic rows in another process, by TAP in
pages, and by an SSAP service that demands a position and takes circles of 5 degrees, as PolarBase does. Each row is
FITS at an address of its own; no file is downloaded. The list must have every row, once.

A million rows on two shared cores: by tiles 3,446 requests, 165 s of CPU, 68 MiB at most; by TAP 105 requests and,
in an earlier measurement, 99 s, 68 MiB.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import cos, radians, sin
from pathlib import Path

import numpy as np
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]
LARGEST_SIZE = 5.0  # degrees
GOLDEN = 0.6180339887498949
OBSCORE = {
    "obs_publisher_did": "char",
    "dataproduct_type": "char",
    "target_name": "char",
    "s_ra": "double",
    "s_dec": "double",
    "t_min": "double",
    "em_min": "double",
    "em_max": "double",
    "access_url": "char",
    "access_format": "char",
    "access_estsize": "long",
}
SSAP = {
    "access_url": "ssa:Access.Reference",
    "access_format": "ssa:Access.Format",
    "obs_publisher_did": "ssa:Curation.PublisherDID",
    "target_name": "ssa:Target.Name",
}
UNITS = {"s_ra": "deg", "s_dec": "deg", "t_min": "d", "em_min": "m", "em_max": "m", "access_estsize": "kbyte"}


class Sky:
    """Rows spread evenly over the sky, along a spiral from pole to pole; their numbers rise with the declination."""

    def __init__(self, count: int) -> None:
        self.count = count
        numbers = np.arange(count)
        self.dec = np.degrees(np.arcsin(np.clip(-1 + (2 * numbers + 1) / count, -1, 1)))
        self.ra = numbers * GOLDEN % 1 * 360

    def within(self, ra: float, dec: float, size: float) -> list[int]:
        """Return the rows in a circle of that diameter."""
        first, last = np.searchsorted(self.dec, [dec - size / 2, dec + size / 2])
        away = np.radians(self.ra[first:last] - ra)
        there = np.radians(self.dec[first:last])
        cosine = sin(radians(dec)) * np.sin(there) + cos(radians(dec)) * np.cos(there) * np.cos(away)
        return [int(number) for number in first + np.flatnonzero(cosine >= cos(radians(size / 2)))]

    def values(self, number: int, base: str) -> dict[str, str]:
        """Return a row of ObsCore."""
        return {
            "obs_publisher_did": f"ivo://bench.example/spectra?{number:09d}",
            "dataproduct_type": "spectrum",
            "target_name": f"star {number}",
            "s_ra": f"{self.ra[number]:.6f}",
            "s_dec": f"{self.dec[number]:.6f}",
            "t_min": f"{50000 + number % 9000}.5",
            "em_min": "3.8e-07",
            "em_max": "7.2e-07",
            "access_url": f"{base}/files/{number:09d}.fits",
            "access_format": "application/fits",
            "access_estsize": "120",
        }


def votable(fields: str, rows: list[str], behind: str = "") -> web.Response:
    """Return an answer with these rows."""
    info = '<INFO name="QUERY_STATUS" value="OK"/>'
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{''.join(rows)}</TABLEDATA></DATA></TABLE>"
    text = f'<VOTABLE version="1.4"><RESOURCE type="results">{info}{table}{behind}</RESOURCE></VOTABLE>'
    return web.Response(text=text, content_type="application/x-votable+xml")


def field(name: str, kind: str = "char", utype: str = "") -> str:
    """Return a column."""
    size = ' arraysize="*"' if kind == "char" else ""
    return f'<FIELD name="{name}" datatype="{kind}"{size} unit="{UNITS.get(name, "")}" utype="{utype}"/>'


def row(values: list[str]) -> str:
    return f"<TR>{''.join(f'<TD>{value}</TD>' for value in values)}</TR>"


def tap(sky: Sky) -> Handler:
    """Return what answers the queries of a listing by pages."""

    async def handle(request: web.Request) -> web.Response:
        query = request.query["QUERY"]
        if "TAP_SCHEMA" in query:
            columns = re.sub(r".*SELECT (.*?) FROM.*", r"\1", query).split(", ")
            about = [
                {"table_name": "ivoa.ObsCore", "column_name": name, "datatype": kind, "unit": UNITS.get(name, "")}
                for name, kind in OBSCORE.items()
            ]
            rows = [row([one.get(column, "") for column in columns]) for one in about]
            return votable("".join(map(field, columns)), rows)
        if "COUNT(*)" in query:
            return votable(field("total", "long"), [row([str(sky.count)])])
        found = re.search(r"SELECT TOP (\d+) (.*) FROM", query)
        mark = re.search(r"> '[^']*\?(\d+)'", query)
        if found is None:
            return web.Response(status=400, text="only pages are answered")
        names = found[2].split(", ")
        first = int(mark[1]) + 1 if mark else 0
        base = f"http://{request.host}"
        rows = [
            row([values[name] for name in names])
            for number in range(first, min(first + int(found[1]), sky.count))
            for values in [sky.values(number, base)]
        ]
        return votable("".join(field(name, OBSCORE[name]) for name in names), rows)

    return handle


def ssap(sky: Sky) -> Handler:
    """Return what answers for circles of at most 5 degrees."""
    fields = "".join(field(name, "char", utype) for name, utype in SSAP.items())

    async def handle(request: web.Request) -> web.Response:
        size = float(request.query.get("SIZE", "nan"))
        if "POS" not in request.query or not size <= LARGEST_SIZE:
            words = f"SIZE must not exceed {LARGEST_SIZE:g} degrees" if "POS" in request.query else "POS is mandatory"
            info = f'<INFO name="QUERY_STATUS" value="ERROR">{words}</INFO>'
            return web.Response(text=f'<VOTABLE><RESOURCE type="results">{info}</RESOURCE></VOTABLE>')
        ra, dec = map(float, request.query["POS"].split(","))
        found = sky.within(ra, dec, size)[: int(request.query["MAXREC"])]
        base = f"http://{request.host}"
        return votable(fields, [row([sky.values(number, base)[name] for name in SSAP]) for number in found])

    return handle


def serve(count: int) -> None:
    """Serve both services until the process is ended; print their address."""
    sky = Sky(count)
    application = web.Application()
    application.router.add_get("/tap/sync", tap(sky))
    application.router.add_get("/ssap", ssap(sky))

    async def run() -> None:
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(site.name, flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Cost:
    """What a listing took: requests that were sent, seconds of CPU and of the clock, MiB at most, rows of the list."""

    requests: int
    cpu: float
    wall: float
    peak: float
    rows: int


def measure(address: str, folder: Path) -> Cost:
    """List the service at ``address`` in a process of its own."""
    catalog = folder / "all.csv"
    output = folder / "output.txt"
    command = ["discover", address, "--catalog", str(catalog), "--no-sample", "--rate", "0"]
    began = time.perf_counter()
    with output.open("w") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "harvester", *command], stdout=printed, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    said = output.read_text()
    sent = re.search(r"requests +(.*) sent", said)
    if status or sent is None:
        raise SystemExit(said)
    with catalog.open() as file:
        rows = sum(1 for _ in file) - 1
    requests = int(re.sub(r"\D", "", sent[1]))
    return Cost(requests, used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--by", nargs="*", choices=("tap", "tiles"), default=("tap", "tiles"))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.rows)
        return
    command = [sys.executable, "-m", "benchmarks.listing", "--serve", "--rows", str(options.rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip() if server.stdout else ""
            print(f"{'by':<6} {'rows':>10} {'requests':>9} {'CPU s':>7} {'wall s':>7} {'peak MiB':>9}")
            for by in options.by:
                with tempfile.TemporaryDirectory() as folder:
                    cost = measure(f"{address}/{'tap' if by == 'tap' else 'ssap'}", Path(folder))
                print(
                    f"{by:<6} {cost.rows:>10,} {cost.requests:>9,} {cost.cpu:>7.0f} {cost.wall:>7.0f} {cost.peak:>9.0f}"
                )
                if cost.rows != options.rows:
                    raise SystemExit(f"{options.rows - cost.rows:,} rows lack")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
