"""``discover``: inspect an archive, write a profile and a catalog of its spectra."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from .discover_output import ignore, sample_lines, say, show_progress, write_text
from .options import load_configuration, output_path
from .profile_check import check_profile, list_profiles

if TYPE_CHECKING:
    from ..archive.profile import ArchiveProfile
    from ..config.configuration import Configuration
    from ..discovery.access_mode import TableChoice
    from ..discovery.client import VoClient
    from ..discovery.learn import SampleReport
    from ..discovery.registry import Registered
    from ..vo.constraints import Constraints
    from ..vo.descriptors import Findings
    from ..vo.listing import CatalogWriter, ListingSummary

T = TypeVar("T")
NARROWING = ("pos", "size", "target", "band", "time")


@click.command("discover")
@click.argument("url", required=False)
@click.option("-o", "--output", metavar="FILE.toml", help="write an archive profile, for --archive FILE.toml")
@click.option("--catalog", metavar="FILE|-", help="write the list of all spectra as CSV; - is standard output")
@click.option("--force", is_flag=True, help="overwrite an existing FILE; write a catalog that may be incomplete")
@click.option("--pos", metavar="'RA DEC'", help="list only spectra around this position (degrees)")
@click.option("--size", metavar="DEG", type=click.FloatRange(0, 360, min_open=True), help="diameter around --pos [0.1]")
@click.option("--target", metavar="NAME", help="list only spectra of this object, by the archive's name for it")
@click.option("--band", metavar="'LO HI [UNIT]'", help="list only spectra that cover some of these wavelengths")
@click.option("--time", metavar="'FROM TO'", help="list only spectra from these dates; - for an open end")
@click.option("--table", metavar="NAME", help="table of a TAP service to list, whatever its columns are called")
@click.option("--id-column", metavar="NAME", help="the column that identifies a spectrum, of --table or of the list")
@click.option("--url-column", metavar="NAME", help="the column with the address of its file, likewise")
@click.option("--max", "most", metavar="N", type=click.IntRange(1), help="list at most N spectra")
@click.option("--no-sample", is_flag=True, help="do not download three spectra at the end to try the profile")
@click.option(
    "--check", metavar="PROFILE", help="download three spectra to try a profile; with -o write the corrected profile"
)
@click.option("--list", "lists", is_flag=True, help="show the profiles that come with harvester")
@click.option("--verbose", is_flag=True, help="show each request")
@click.option("--config", metavar="FILE", help="settings file [config.toml if it exists]")
@click.option("--contact", metavar="ADDRESS", help="your e-mail address, for the archive's operator")
@click.option("--rate", metavar="R", help="maximum requests per second [5]")
@click.option("--proxy", metavar="URL|env", help="proxy for all requests; env for HTTPS_PROXY [none]")
def command(url: str | None, lists: bool, check: str | None, **options: Any) -> int:
    """Inspect the archive at URL; write a profile and a catalog of its spectra.

    URL is an SSAP or TAP service, a dlget or dlmeta address with an ID, an ivo://, or a profile's name. Request one row
    (and one datalink document, and TAP at the usual place), print and write what was found, and
    download three spectra to see that it works. Exit code 5, with the service's message, where that is not possible.

    \b
    Examples:
      harvester discover ondrejov --catalog all.csv
      harvester discover http://archive.example/ssap -o archive.toml --catalog all.csv
      harvester discover ivo://org.example/ssap -o archive.toml
    """
    from ..errors import UsageError

    if lists:
        return list_profiles()
    if check:
        settings = _settings("http://localhost/", options)
        output = options["output"]
        _refuse_existing(_destinations(output, None), options["force"])
        return check_profile(check, settings, options["catalog"], Path(output) if output else None, options["verbose"])
    if not url:
        raise UsageError("discover: give the address of an SSAP or TAP service, or --list to see the included profiles")
    return _discover(_address(url, options), options)


def _address(url: str, options: dict[str, Any]) -> str:
    """Return ``url``, or the listing service of the profile that it names."""
    from ..config.profiles import load_profile, shipped_profiles
    from ..errors import UsageError

    if url not in shipped_profiles() and not url.endswith(".toml"):
        return url
    profile = load_profile(url, mark="")
    address = profile.tap or profile.ssap
    if not address:
        raise UsageError(f"discover {url}: the profile has neither `tap` nor `ssap`, which list spectra; give a URL")
    if profile.tap and options["table"] is None:
        options["table"] = profile.table or None
    return address


@dataclass(frozen=True, slots=True)
class _Discovery:
    """What discovery is to do."""

    service: Registered
    constraints: Constraints
    choice: TableChoice
    name: str
    most: int | None
    keeps_incomplete: bool
    takes_sample: bool
    verbose: bool


@dataclass(frozen=True, slots=True)
class _Result:
    """What discovery found."""

    findings: Findings
    profile: ArchiveProfile
    listed: ListingSummary | None
    sample: SampleReport | None
    requests: int


def _discover(url: str, options: dict[str, Any]) -> int:
    from ..discovery.access_mode import TableChoice
    from .catalog_file import staged

    output, catalog, force = options["output"], options["catalog"], options["force"]
    _refuse_existing(_destinations(output, catalog), force)
    narrowed = {name: options[name] for name in NARROWING}
    constraints = _constraints(**narrowed)
    service = _service(url)
    wanted = _Discovery(
        service,
        constraints,
        TableChoice(options["table"] or "", options["id_column"] or "", options["url_column"] or ""),
        _name(output, service.url),
        options["most"],
        force,
        bool(output or catalog) and not options["no_sample"],
        options["verbose"],
    )
    settings = _settings(service.url, options)
    with staged(catalog) as sheet:
        result = asyncio.run(_run(settings, wanted, sheet))
        _require_spectra(url, result.listed, shlex.join(_given(narrowed)))
        if output:
            heading = f"Written by `harvester discover {url}`\non {datetime.now(UTC):%Y-%m-%d}; yours to edit."
            if result.sample:
                heading = "\n".join([heading, *sample_lines(result.sample)])
            write_text(Path(output), result.profile.as_toml(heading))
        _print_result(url, wanted, result, output, catalog)
    if catalog not in (None, "-") and result.listed:
        _write_sidecar(Path(str(catalog)), service.url, result)
    return 0


def _settings(url: str, options: dict[str, Any]) -> Configuration:
    flags = {name: options[name] for name in ("config", "contact", "rate", "proxy")}
    return load_configuration(flags | {"archive": url, "fluxcalib": "none", "format": "none"})


def _require_spectra(url: str, listed: ListingSummary | None, given: str) -> None:
    from ..discovery.build_profile import format_listing
    from ..errors import ArchiveError, UsageError

    if listed is None or listed.spectra:
        return
    if given:
        raise UsageError(f"{url}: no spectrum matches {given}; nothing is written")
    raise ArchiveError(
        f"{url}: it lists no spectrum that could be downloaded: {format_listing(listed)}; nothing is written"
    )


def _print_result(url: str, wanted: _Discovery, result: _Result, output: str | None, catalog: str | None) -> None:
    from ..discovery.build_profile import format_findings, format_hosts, format_listing
    from ..formatting import count

    stream = sys.stderr if catalog == "-" else sys.stdout
    service = wanted.service
    lines = [("registered", f"as {service.kind}, {service.url}")] if service.kind else []
    lines += format_findings(result.findings, service.url)
    if result.listed and (hosts := format_hosts(result.listed, service.url)):
        lines.append(("files", hosts))
    if result.sample:
        lines += [("sample", words) for words in sample_lines(result.sample)]
    if output:
        lines.append(("profile", f"{output}; use it with --archive {output}"))
    if result.listed:
        words = format_listing(result.listed)
        lines.append(("catalog", words if catalog == "-" else f"{words}: {catalog}; use it with --catalog {catalog}"))
    lines.append(("requests", f"{count(result.requests)} sent"))
    print(url, *(f"  {about:<12}{words}" for about, words in lines), sep="\n", file=stream)


async def _run(settings: Configuration, wanted: _Discovery, sheet: CatalogWriter | None) -> _Result:
    from ..discovery.client import ServiceUnavailableError, VoClient, advised

    limits = settings.settings.limits
    on_request = say if wanted.verbose else ignore
    async with VoClient(limits, settings.settings.contact, say, on_request, settings.connection) as client:
        try:
            return await _found(client, wanted, sheet, limits.max_bytes)
        except ServiceUnavailableError as error:
            raise advised(error) from None


async def _found(client: VoClient, wanted: _Discovery, sheet: CatalogWriter | None, most_bytes: int) -> _Result:
    from ..discovery.build_profile import make_profile
    from ..discovery.discover import discover, list_spectra
    from ..discovery.sample import samples_of, try_profile

    service, table = wanted.service, wanted.choice.table or None
    findings = await discover(client, service.url, wanted.constraints, table, service.kind == "TAP", wanted.choice)
    listed = None
    if sheet:
        keeps = wanted.keeps_incomplete
        args = (wanted.constraints, sheet, wanted.most, show_progress, keeps, say)
        listed = await list_spectra(client, findings, *args)
    profile = make_profile(findings, wanted.name, f"{urlsplit(service.url).hostname}, as discovered", listed)
    sample = None
    if wanted.takes_sample and (listed is None or listed.spectra):
        profile, sample = await try_profile(client, profile, samples_of(findings, listed), most_bytes)
    return _Result(findings, profile, listed, sample, client.requests)


def _refuse_existing(files: Iterable[Path], force: bool) -> None:
    from ..errors import UsageError

    for file in files:
        if not force and file.exists():
            raise UsageError(f"{file} already exists; choose another name, or use --force to overwrite it")


def _destinations(output: str | None, catalog: str | None) -> Iterator[Path]:
    if output is not None:
        yield output_path("-o", output, ".toml")
    if catalog not in (None, "-"):
        yield output_path("--catalog", str(catalog))


def _service(url: str) -> Registered:
    """Return what is inspected: ``url`` itself, or what the registry says is there."""
    from ..archive.profile import has_credentials
    from ..discovery.registry import Registered, is_ivoid, look_up
    from ..errors import UsageError
    from ..vo.urls import is_web

    service = asyncio.run(look_up(url)) if is_ivoid(url) else Registered(url, "")
    if has_credentials(service.url):
        raise UsageError("discover: the address contains a user name or password; these are never sent, leave them out")
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
        raise UsageError(f"--size {size}: the size of a circle needs a position; give one with --pos 'RA DEC'")
    return Constraints(
        position=_read("pos", pos, parse_position),
        size=size or 0.1,
        target=target or "",
        band=_read("band", band, parse_band),
        time=_read("time", time, parse_time),
    )


def _given(narrowed: dict[str, Any]) -> Iterator[str]:
    """Yield the constraints as the user gave them."""
    yield from (word for name, value in narrowed.items() if value for word in (f"--{name}", str(value)))


def _read(name: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    from ..errors import UsageError

    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise UsageError(f"--{name} {text!r}: {error}") from None


def _name(output: str | None, url: str) -> str:
    """Return what the profile, and by default the folder of its spectra, is called."""
    stem = Path(output).stem if output else urlsplit(url).hostname or ""
    return re.sub(r"[^a-z0-9.-]+", "-", stem.lower()).strip("-.") or "archive"


def _write_sidecar(catalog: Path, url: str, result: _Result) -> None:
    """Write beside the catalog what every row of the list became."""
    from .catalog_file import sidecar

    write_text(catalog.with_name(f"{catalog.stem}.listing.json"), sidecar(url, result.listed, result.requests))
