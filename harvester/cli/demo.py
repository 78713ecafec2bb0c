"""``demo``: run the demo archive."""

from __future__ import annotations

import errno
import os
import sys

import click


@click.command("demo")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="port on 127.0.0.1 [any free one]")
@click.option("--count", type=click.IntRange(1), help="number of spectra in its list [300, as with --archive demo]")
@click.option(
    "--latency", type=click.FloatRange(0), default=0.0, show_default=True, help="mean response time in seconds"
)
@click.option(
    "--faults", default="", metavar="LIST", help="share of each fault, such as truncated=0.02,http_503=0.03x2"
)
@click.option("--knows-any", is_flag=True, help="serve any DID of the collection, listed or not")
@click.option("--workers", type=click.IntRange(1), help="requests computed at once; the others queue")
@click.option("--work", type=click.FloatRange(0), default=0.0, help="seconds of computing for each request")
def command(
    port: int, count: int | None, latency: float, faults: str, knows_any: bool, workers: int | None, work: float
) -> int:
    """Serve the demo archive on localhost until interrupted; the first line is its dlget URL.

    It answers SODA, datalink, SSAP and TAP requests about synthetic spectra, slowly or wrongly if you ask for that.

    \b
    Examples:
      harvester demo
      harvester demo --count 1000 --latency 0.2 --faults truncated=0.02,http_503=0.03x2
      harvester demo --knows-any --port 8000
    """
    from ..demo import DEMO_COUNT, DemoArchive, parse_faults, serve_forever
    from ..errors import UsageError

    try:
        plan = parse_faults(faults)
    except ValueError as error:
        raise UsageError(f"--faults {faults}: {error}") from None
    config = DemoArchive(count or DEMO_COUNT, knows_any, latency=latency, faults=plan, workers=workers, work=work)
    try:
        serve_forever(config, port, _announce)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(f"--port {port}: {os.strerror(error.errno).lower()}; choose another") from None
    return 0


def _announce(dlget: str) -> None:
    """Print the address, and on standard error what to type in another terminal."""
    from ..model.invocation import command_line

    print(dlget, flush=True)
    ssap = f"{dlget.removesuffix('/sdl/dlget')}/ssa/ssap.xml"
    next_steps = (
        "In another terminal, list its spectra and download them:",
        f"  {command_line('discover', ssap, '-o', 'demo.toml', '--catalog', 'demo.csv')}",
        f"  {command_line('run', '--archive', 'demo.toml', '--catalog', 'demo.csv', '--out', 'demo-spectra')}",
        "Ctrl-C ends it.",
    )
    print(*next_steps, sep="\n", file=sys.stderr, flush=True)
