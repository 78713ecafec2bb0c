"""``doctor``: check the set-up, with one fix for each problem."""

from __future__ import annotations

import http.client
import json
import os
import resource
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ..model.invocation import command_line, install_line
from .options import load_configuration, location_options

if TYPE_CHECKING:
    from ..config.configuration import Configuration

PROBLEMS = 3
REQUIRED = ("aiohttp", "aiofiles", "annotated_types", "astropy", "numpy", "pydantic", "rich", "tomli_w")
OPTIONAL = {
    "pyarrow": "export FILE.parquet",
    "h5py": "export FILE.h5",
    "matplotlib": "fluxcalib and preview as pictures",
    "obstore": "--out s3://, gs://, az://",
    "distributed": "--engine dask",
    "prometheus_client": "--metrics-file and --metrics-port",
    "pyvo": "discover ivo://",
    "specutils": "Spectrum.read of stored files",
}
FREE_BYTES = 1_000_000_000
OPEN_FILES = 256
CLOCK_SECONDS = 120.0
TIMEOUT = 10.0  # seconds for one connection or response


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check.

    ``fix`` is empty if there is nothing to do, ``optional`` if work is possible anyway.
    """

    check: str
    text: str
    fix: str = ""
    optional: bool = False

    @property
    def mark(self) -> str:
        """Return ``ok``, ``note`` or ``FIX``."""
        return "ok" if not self.fix else "note" if self.optional else "FIX"


@click.command("doctor")
@location_options
@click.option("--offline", is_flag=True, help="send no request to the archive")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def command(offline: bool, as_json: bool, **flags: Any) -> int:
    """Check Python, packages, disk, clock, terminal and archive; show a fix for each problem.

    One HEAD request is sent to the archive. Exit code 0 if a run can start, 3 if something has to be fixed first.

    \b
    Examples:
      harvester doctor
      harvester doctor --archive ondrejov --out spectra
      harvester doctor --offline
    """
    results = list(_checks(flags, offline))
    if as_json:
        print(json.dumps([{**asdict(result), "state": result.mark} for result in results], indent=1))
    else:
        print("\n".join(_format(results)))
    return PROBLEMS if any(result.mark == "FIX" for result in results) else 0


def _checks(flags: dict[str, Any], offline: bool) -> Iterator[Result]:
    yield _python()
    missing = [name for name in REQUIRED if find_spec(name) is None]
    yield _required(missing)
    yield from _optional()
    yield _open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield _terminal()
    if missing:
        return  # settings cannot be loaded without them
    config = load_configuration(flags)
    yield Result("settings", f"archive {config.profile.name}, spectra in {config.location}")
    yield from _disk(config)
    if not offline and not config.is_demo:
        yield from _archive(config)


def _python() -> Result:
    version = ".".join(str(number) for number in sys.version_info[:3])
    return Result("python", f"{version}, {sys.executable}")


def _required(missing: list[str]) -> Result:
    if not missing:
        return Result("packages", "all required packages are installed")
    names = [name.replace("_", "-") for name in missing]
    return Result("packages", f"missing: {', '.join(names)}", install_line(*names))


def _optional() -> Iterator[Result]:
    missing = {name: use for name, use in OPTIONAL.items() if find_spec(name) is None}
    if not missing:
        yield Result("extras", "all optional packages are installed")
    for name, use in missing.items():
        package = name.replace("_", "-")
        yield Result("extras", f"{package} is not installed; needed for {use}", install_line(package), optional=True)


def _open_files(most: int) -> Result:
    if most == resource.RLIM_INFINITY or most >= OPEN_FILES:
        return Result("open files", f"{'unlimited' if most == resource.RLIM_INFINITY else most} are allowed")
    return Result("open files", f"only {most} are allowed", f"raise the limit: ulimit -n {OPEN_FILES}")


def _terminal() -> Result:
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    if not sys.stdout.isatty():
        return Result("terminal", f"standard output is not a terminal ({encoding}): plain lines instead of a dashboard")
    columns, rows = shutil.get_terminal_size()
    if encoding.lower().replace("-", "") != "utf8":
        fix = "for better lines and bars: export LC_ALL=C.UTF-8"
        return Result("terminal", f"{columns} x {rows}, {encoding}", fix, optional=True)
    if columns < 60:
        fix = "make the window at least 60 columns wide, or use --progress plain"
        return Result("terminal", f"{columns} x {rows}", fix, optional=True)
    return Result("terminal", f"{columns} x {rows}, {encoding}")


def _disk(config: Configuration) -> Iterator[Result]:
    from ..formatting import size
    from ..ledger.schema import is_on_network
    from .plan import existing_folder

    folder = existing_folder(config.state_folder)
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        yield Result("disk", f"{folder} cannot be written", "choose another folder with --out DIR")
    elif free < FREE_BYTES:
        yield Result("disk", f"only {size(free)} are free in {folder}", "make room, or choose another --out")
    else:
        yield Result("disk", f"{size(free)} are free in {folder}")
    if is_on_network(folder):
        fix = "put --out on a local disk, if there is one"
        yield Result("disk", f"{folder} is on a network file system: the ledger is slower there", fix, optional=True)


def _archive(config: Configuration) -> Iterator[Result]:
    """Yield whether the archive's host has an address, responds, and has the same time."""
    url = urlsplit(config.profile.endpoint or config.profile.ssap or config.profile.tap)
    if not url.hostname:
        yield Result("archive", "the profile has no URL: the catalog's access_url has one for each spectrum")
        return
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.getaddrinfo(url.hostname, port)
    except OSError as error:
        fix = "check the network, or the address given with --archive"
        yield Result("network", f"the name {url.hostname} cannot be resolved ({error.strerror})", fix)
        return
    yield Result("network", f"{url.hostname} has an address")
    try:
        status, date = _head(url.scheme, url.hostname, port, url.path or "/", config)
    except (OSError, http.client.HTTPException) as error:
        fix = f"try again later, or look at {url.scheme}://{url.netloc} in a browser"
        yield Result("archive", f"{url.netloc} does not respond ({error})", fix)
        return
    yield _status(config, status)
    yield from _clock(date, time.time())


def _head(scheme: str, host: str, port: int, path: str, config: Configuration) -> tuple[int, str]:
    """Send one HEAD request; return the status and the Date header."""
    from ..archive.client import user_agent

    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port, timeout=TIMEOUT)
    try:
        connection.request("HEAD", path, headers={"User-Agent": user_agent(config.settings.contact)})
        response = connection.getresponse()
        return response.status, response.getheader("Date", "")
    finally:
        connection.close()


def _status(config: Configuration, status: int) -> Result:
    """Judge the status of a request without parameters.

    The service is there if it complains about these.
    """
    if status in (404, 410):
        fix = f"check the address of the profile: {command_line('discover', 'URL')} inspects an archive"
        return Result("archive", f"{config.profile.endpoint} responds with HTTP {status}: no such service", fix)
    if status >= 500 and status != 501:
        return Result("archive", f"it responds with HTTP {status}", "try again later", optional=True)
    return Result("archive", f"{config.profile.host} responds (HTTP {status} to a request without parameters)")


def _clock(date: str, now: float) -> Iterator[Result]:
    try:
        difference = now - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):  # no date, or none that can be read: nothing to compare with
        return
    if abs(difference) > CLOCK_SECONDS:
        text = f"the clock differs from the archive's by {difference:+.0f} s"
        yield Result(
            "clock", text, "set it, since --window and --deadline depend on it: timedatectl set-ntp true", optional=True
        )
    else:
        yield Result("clock", f"it differs from the archive's by {difference:+.0f} s")


def _format(results: list[Result]) -> Iterator[str]:
    width = max(len(result.check) for result in results)
    for result in results:
        yield f"{result.mark:<5} {result.check:<{width}}  {result.text}"
        if result.fix:
            yield f"{'':<5} {'':<{width}}  -> {result.fix}"
    problems = sum(result.mark == "FIX" for result in results)
    yield f"{problems} to fix first" if problems else "a run can start"
