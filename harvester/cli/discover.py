"""``discover``: what an archive offers, as a profile for later runs, and the list of all that it has."""

from __future__ import annotations

import asyncio
import csv
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from .options import load_configuration, output_path

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..discovery.registry import Registered
    from ..vo.constraints import Constraints
    from ..vo.descriptors import Findings
    from ..vo.listing import ListingSummary

T = TypeVar("T")


@click.command("discover")
@click.argument("url")
@click.option("-o", "--output", metavar="FILE.toml", help="write an archive profile, for --archive FILE.toml")
@click.option("--catalog", metavar="FILE|-", help="write the list of all spectra as CSV; - is standard output")
@click.option("--force", is_flag=True, help="overwrite FILE if it is there")
@click.option("--pos", metavar="'RA DEC'", help="only around there (degrees)")
@click.option("--size", metavar="DEG", type=click.FloatRange(0, 360, min_open=True), help="diameter around --pos [0.1]")
@click.option("--target", metavar="NAME", help="only of this object, as the archive understands the name")
@click.option("--band", metavar="'LO HI [UNIT]'", help="only what has some of these wavelengths")
@click.option("--time", metavar="'FROM TO'", help="only from these dates; - for an open end")
@click.option("--table", metavar="NAME", help="that table, where a TAP service has several of spectra")
@click.option("--max", "most", metavar="N", type=click.IntRange(1), help="list N spectra at most")
@click.option("--config", metavar="FILE", help="settings file [config.toml if it is there]")
@click.option("--contact", metavar="ADDRESS", help="your e-mail address, for the archive's operator")
@click.option("--rate", metavar="R", help="most requests a second [5]")
def command(
    url: str,
    output: str | None,
    catalog: str | None,
    force: bool,
    table: str | None,
    most: int | None,
    config: str | None,
    contact: str | None,
    rate: str | None,
    **narrowed: Any,
) -> int:
    """What the archive at URL offers: an SSAP or TAP service, a dlget or dlmeta address with an ID, an ivo://.

    Asks for one row (and one datalink document, and for TAP at the usual place), says what it found, and writes it
    down. Exit code 5, with the service's own words, where it cannot be told.
    """
    from ..discovery.build_profile import in_words, make_profile
    from ..errors import UsageError

    for file in _destinations(output, catalog):
        if not force and file.exists():
            raise UsageError(f"{file} is there already; choose another name, or --force to overwrite it")
    constraints = _constraints(**narrowed)
    service = _service(url)
    name = _name(output, service.url)
    flags = {"config": config, "contact": contact, "rate": rate, "archive": service.url}
    flags |= {"fluxcalib": "none", "format": "none"}
    settings = load_configuration(flags)
    with _staged(catalog) as sheet:
        findings, listed = asyncio.run(_survey(settings, service, constraints, table, sheet, most))
        if listed and not listed.spectra and (said := _said(narrowed)):
            raise UsageError(f"{url}: no spectrum meets {said}; nothing is written")
        say = sys.stderr if catalog == "-" else sys.stdout
        lines = [("registered", f"as {service.kind}, {service.url}")] if service.kind else []
        lines += in_words(findings, service.url)
        print(url, *(f"  {about:<12}{words}" for about, words in lines), sep="\n", file=say)
        if output:
            heading = f"Written by `harvester discover {url}`\non {datetime.now(UTC):%Y-%m-%d}; yours to edit."
            profile = make_profile(findings, name, f"{urlsplit(service.url).hostname}, as discovered")
            _write(Path(output), profile.as_toml(heading))
            print(f"  {'profile':<12}{output}; fetch with --archive {output}", file=say)
        if listed:
            print(f"  {'catalog':<12}{_counted(listed, catalog)}", file=say)
    return 0


def _destinations(output: str | None, catalog: str | None) -> Iterator[Path]:
    if output is not None:
        yield output_path("-o", output, ".toml")
    if catalog not in (None, "-"):
        yield output_path("--catalog", str(catalog))


def _service(url: str) -> Registered:
    """What is asked: ``url`` itself, or what the registry says is there."""
    from ..archive.profile import has_credentials
    from ..discovery.registry import Registered, is_ivoid, look_up
    from ..errors import UsageError
    from ..vo.urls import is_web

    service = asyncio.run(look_up(url)) if is_ivoid(url) else Registered(url, "")
    if has_credentials(service.url):
        raise UsageError("discover: the address has a name or a password in it; none is ever sent, leave it out")
    if not is_web(service.url):
        raise UsageError(f"discover {url}: no address; give that of an SSAP or TAP service, http://..., or its ivo://")
    return service


def _constraints(
    pos: str | None, size: float | None, target: str | None, band: str | None, time: str | None
) -> Constraints:
    from ..errors import UsageError
    from ..model.band import parse_band
    from ..vo.constraints import Constraints, parse_position, parse_time

    if size and not pos:
        raise UsageError(f"--size {size}: it is the size of a circle; say where with --pos 'RA DEC'")
    return Constraints(
        position=_read("pos", pos, parse_position),
        size=size or 0.1,
        target=target or "",
        band=_read("band", band, parse_band),
        time=_read("time", time, parse_time),
    )


def _said(narrowed: dict[str, Any]) -> str:
    """The constraints as the user gave them."""
    return shlex.join(word for name, value in narrowed.items() if value for word in (f"--{name}", str(value)))


def _read(name: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    from ..errors import UsageError

    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise UsageError(f"--{name} {text!r}: {error}") from None


def _name(output: str | None, url: str) -> str:
    """What the profile, and by default the folder of its spectra, is called."""
    told = Path(output).stem if output else urlsplit(url).hostname or ""
    return re.sub(r"[^a-z0-9.-]+", "-", told.lower()).strip("-.") or "archive"


async def _survey(
    settings: Configuration,
    service: Registered,
    constraints: Constraints,
    table: str | None,
    sheet: _Sheet | None,
    most: int | None,
) -> tuple[Findings, ListingSummary | None]:
    from ..discovery.client import VoClient
    from ..discovery.discover import discover, list_spectra

    def tell(words: str) -> None:
        print(f"  {words}", file=sys.stderr, flush=True)

    async with VoClient(settings.settings.limits, settings.settings.contact, tell) as asker:
        findings = await discover(asker, service.url, constraints, table, by_tap=service.kind == "TAP")
        listed = await list_spectra(asker, findings, constraints, sheet, most, _show) if sheet else None
    return findings, listed


def _show(rows: int, total: int) -> None:
    """How far a listing is, in a line that the next one covers; in no file."""
    if sys.stderr.isatty():
        end = "\n" if rows >= total else ""
        print(f"\r  {'catalog':<12}{rows:,} of {total:,} rows", end=end, file=sys.stderr, flush=True)


def _counted(listed: ListingSummary, catalog: str | None) -> str:
    words = f"{listed.spectra:,} spectra ({listed.rows:,} rows)"
    if listed.nameless:
        words += f"; {listed.nameless:,} rows without a publisher DID left out"
    if listed.outside:
        words += f"; {listed.outside:,} left out that the archive sent although you excluded them"
    if listed.more:
        words += "; there may be more (--max)"
    if listed.remark:
        words += f"; {listed.remark}"
    return words if catalog == "-" else f"{words}: {catalog}; fetch with --catalog {catalog}"


class _Sheet:
    """A CSV file that can begin anew."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._writer: csv.DictWriter[str]

    def begin(self, columns: Sequence[str]) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._writer = csv.DictWriter(self._file, columns, lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: dict[str, str]) -> None:
        self._writer.writerow(row)


@contextmanager
def _staged(catalog: str | None) -> Iterator[_Sheet | None]:
    """A list that appears under its name, or on standard output, only once it is whole."""
    from ..storage.atomic import atomic_write
    from ..storage.errors import translate_os_errors

    if catalog is None:
        yield None
        return
    if catalog == "-":
        with translate_os_errors(Path(catalog)), tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
            yield _Sheet(file)
            file.seek(0)
            shutil.copyfileobj(file, sys.stdout)
        return
    with atomic_write(Path(catalog).resolve()) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield _Sheet(file)


def _write(path: Path, text: str) -> None:
    from ..storage.atomic import atomic_write

    with atomic_write(path.resolve()) as part:
        part.write_text(text, encoding="utf-8")
