"""``python -m harvester.demo``: serves until interrupted; the first line printed is the address of dlget."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from .archive import DEMO_COUNT, DemoArchive
from .faults import FAULTS, parse_faults
from .server import serve_forever


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {name:16}{fault.meaning}" for name, fault in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m harvester.demo",
        description=__doc__,
        epilog=f"faults:\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: any free one")
    parser.add_argument("--count", type=int, default=DEMO_COUNT, help="number of spectra listed")
    parser.add_argument("--latency", type=float, default=0.0, help="mean seconds before an answer")
    parser.add_argument("--faults", type=parse_faults, default="", help="shares, as in truncated=0.02,http_503=0.03x2")
    parser.add_argument("--knows-any", action="store_true", help="serve any DID of the collection, listed or not")
    parser.add_argument("--workers", type=int, help="requests computed at once; the others queue")
    parser.add_argument("--work", type=float, default=0.0, help="seconds of computing for each request")
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    config = DemoArchive(
        count=options.count,
        knows_any=options.knows_any,
        latency=options.latency,
        faults=options.faults,
        workers=options.workers,
        work=options.work,
    )
    serve_forever(config, options.port, partial(print, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
