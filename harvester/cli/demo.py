"""``demo``: the archive in a box."""

from __future__ import annotations

import errno
import os
from functools import partial

import click


@click.command("demo")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="port on 127.0.0.1 [any free one]")
@click.option("--count", type=click.IntRange(1), help="spectra it lists [as many as --archive demo]")
@click.option("--latency", type=click.FloatRange(0), default=0.0, show_default=True, help="mean seconds to an answer")
@click.option("--faults", default="", metavar="LIST", help="shares of faults, as in truncated=0.02,http_503=0.03x2")
@click.option("--knows-any", is_flag=True, help="serve any DID of the collection, listed or not")
@click.option("--workers", type=click.IntRange(1), help="requests computed at once; the others queue")
@click.option("--work", type=click.FloatRange(0), default=0.0, help="seconds of computing for each request")
def command(
    port: int, count: int | None, latency: float, faults: str, knows_any: bool, workers: int | None, work: float
) -> int:
    """Serve the embedded archive on loopback until interrupted; the first line is its dlget URL."""
    from ..demo import DEMO_COUNT, DemoArchive, parse_faults, serve_forever
    from ..errors import UsageError

    try:
        plan = parse_faults(faults)
    except ValueError as error:
        raise UsageError(f"--faults {faults}: {error}") from None
    config = DemoArchive(count or DEMO_COUNT, knows_any, latency=latency, faults=plan, workers=workers, work=work)
    try:
        serve_forever(config, port, partial(print, flush=True))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(f"--port {port}: {os.strerror(error.errno).lower()}; choose another") from None
    return 0
