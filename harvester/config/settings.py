"""Define every setting with its default, its check and its description.

Precedence: flag > environment (``HARVESTER_*``, ``__`` nests) > config.toml > the user's config.toml >
archive profile > default.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..formatting import masked
from ..model.band import Band, parse_band
from ..model.labels import Labelling
from ..model.limits import Limits
from ..model.schedule import Deadline, Window, parse_deadline, parse_duration, parse_window
from ..storage.url import ObjectAddress, parse_address

PREFIX = "HARVESTER_"
TABLES = {"labels": Labelling, "limits": Limits}

MOST_PROCESSES = 256

LayoutName = Literal["flat", "hashed"]
ProgressStyle = Literal["auto", "rich", "plain", "json", "none"]


def _none_if_named(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in ("none", "") else value


def _location(value: object) -> object:
    value = _none_if_named(value)
    return parse_address(value) if isinstance(value, str) and "://" in value else value


def _address(value: object) -> object:
    value = _none_if_named(value)
    if isinstance(value, str) and not re.fullmatch(r"[\w.+-]+@[\w.-]+", value, re.ASCII):
        raise ValueError("an e-mail address is expected, like me@observatory.example")
    return value


def _in_seconds(limits: object) -> object:
    """Convert durations with a unit: ``90s``, ``30m``, ``12h``, ``2d``."""
    if not isinstance(limits, dict):
        return limits
    return {name: _seconds(value) for name, value in limits.items()}


def _seconds(value: object) -> object:
    seconds = parse_duration(value) if isinstance(value, str) else None
    return value if seconds is None else seconds


def _band(value: object) -> object:
    value = _none_if_named(value)
    if value is None or isinstance(value, Band):
        return value
    if not isinstance(value, str):
        raise ValueError("a text 'LO HI [UNIT]' is expected, like '6500 6600 AA'")  # noqa: TRY004 - pydantic's protocol
    return parse_band(value)


def _window(value: object) -> object:
    value = _none_if_named(value)
    if value is None or isinstance(value, Window):
        return value
    return parse_window(str(value))


def _deadline(value: object) -> object:
    value = _none_if_named(value)
    if value is None or isinstance(value, Deadline):
        return value
    return parse_deadline(str(value))


def _proxy(value: object) -> object:
    value = _none_if_named(value)
    if value is None or value == "env":
        return value
    try:
        url = urlsplit(str(value))
        valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        valid = False
    if not valid or not str(value).isprintable() or " " in str(value):
        raise ValueError("the URL of a proxy is expected, like http://proxy.example:3128, or env")
    if "@" in url.netloc:
        raise ValueError("a password would be written into logs; set HTTPS_PROXY in the environment and give env")
    return value


def _webhook(value: object) -> object:
    value = _none_if_named(value)
    if value is None:
        return None
    try:
        url = urlsplit(str(value))
        valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        valid = False
    if not valid or not str(value).isprintable() or " " in str(value):
        raise ValueError("an address is expected, like https://hooks.example/T0/B0")
    if masked(str(value)) == value:
        raise ValueError("this address was masked for the log; give the complete one")
    return value


def _scheduler(value: object) -> object:
    value = _none_if_named(value)
    if isinstance(value, str):
        match = re.fullmatch(r"(?:tcp|tls)://[^\s/]+:(\d{1,5})", value)
        if match is None or not 0 < int(match[1]) < 65_536:
            raise ValueError("an address is expected, like tcp://10.0.0.1:8786")
    return value


def _processes(value: object) -> object:
    if value == "auto":
        return value
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or not 1 <= int(text) <= MOST_PROCESSES:
        raise ValueError(f"a number from 1 to {MOST_PROCESSES} is expected, or auto")
    return int(text)


Omittable = Annotated[str | None, BeforeValidator(_none_if_named)]


class Settings(BaseModel):
    """All settings; ``description`` is the text of the reference."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    catalog: Annotated[Omittable, Field(description="CSV of wanted spectra; '-' is standard input")] = None
    id_column: Annotated[str, MinLen(1), Field(description="column of the catalog with the publisher DIDs")] = "id"
    out: Annotated[
        ObjectAddress | Path | None,
        BeforeValidator(_location),
        Field(description="where spectra are stored: a folder, or s3://BUCKET/PREFIX; data/<archive> if not set"),
    ] = None
    state: Annotated[
        Path | None,
        BeforeValidator(_none_if_named),
        Field(description="local folder for the ledger and logs of harvests into object stores; data if not set"),
    ] = None
    layout: Annotated[
        LayoutName | None,
        BeforeValidator(_none_if_named),
        Field(description="folder layout, flat or hashed (256 subfolders); default: keep the existing one, else flat"),
    ] = None
    archive: Annotated[
        str, MinLen(1), Field(description="a shipped profile (ondrejov, demo), FILE.toml of a profile, or a dlget URL")
    ] = "ondrejov"
    fluxcalib: Annotated[Omittable, Field(description="FLUXCALIB to request; 'none' omits it")] = "normalized"
    band: Annotated[
        Band | None,
        BeforeValidator(_band),
        Field(description="wavelengths to cut out, 'LO HI [UNIT]', metres if no unit; 'none' requests whole spectra"),
    ] = None
    format: Annotated[Omittable, Field(description="FORMAT to request; 'none' omits it")] = "application/fits"
    contact: Annotated[
        str | None,
        BeforeValidator(_address),
        Field(description="your e-mail address, sent to the archive in the User-Agent header"),
    ] = None
    limit: Annotated[
        Annotated[int, Ge(1)] | None,
        BeforeValidator(_none_if_named),
        Field(description="maximum number of spectra that one run requests"),
    ] = None
    only_failed: Annotated[bool, Field(description="retry only spectra that failed in an earlier run")] = False
    refresh: Annotated[
        bool,
        Field(
            description="request stored spectra again, replace them by verified new ones; the same command resumes it"
        ),
    ] = False
    require: Annotated[
        Literal["science", "structure"],
        Field(
            description="how far a file must be verified to be stored: science, or structure, which also stores whole "
            "files in which no reader finds a spectrum"
        ),
    ] = "science"
    engine: Annotated[
        Literal["local", "dask"], Field(description="where downloads run: on this machine or on a Dask cluster")
    ] = "local"
    processes: Annotated[
        int | Literal["auto"],
        BeforeValidator(_processes),
        Field(
            description="worker processes on this machine; they share one rate limit and one ledger; auto: as many as "
            "are faster than one"
        ),
    ] = 1
    scheduler: Annotated[
        str | None,
        BeforeValidator(_scheduler),
        Field(description="address of a Dask scheduler, tcp://HOST:PORT, whose workers download"),
    ] = None
    progress: Annotated[ProgressStyle, Field(description="terminal output: auto, rich, plain, json or none")] = "auto"
    window: Annotated[
        Window | None,
        BeforeValidator(_window),
        Field(description="send requests within these hours only, '20:00-06:00 [ZONE]'; a run waits for them"),
    ] = None
    deadline: Annotated[
        Deadline | None,
        BeforeValidator(_deadline),
        Field(description="drain and end at the next '06:00 [ZONE]', or this long ('8h') after the start"),
    ] = None
    metrics_file: Annotated[
        Path | None,
        BeforeValidator(_none_if_named),
        Field(description="write metrics to FILE.prom every 15 seconds, for node_exporter"),
    ] = None
    metrics_port: Annotated[
        Annotated[int, Ge(1), Le(65_535)] | None,
        BeforeValidator(_none_if_named),
        Field(description="serve metrics for Prometheus on this port of 127.0.0.1"),
    ] = None
    notify: Annotated[
        str | None,
        BeforeValidator(_webhook),
        Field(description="URL of a webhook that receives JSON at the end and when a pause lasts 10 minutes"),
    ] = None
    proxy: Annotated[
        str | None,
        BeforeValidator(_proxy),
        Field(description="URL of the proxy that requests go through; env for HTTP_PROXY, HTTPS_PROXY and NO_PROXY"),
    ] = None
    labels: Annotated[Labelling, Field(description="names and meaning of the catalog's labels")] = Labelling()
    limits: Annotated[Limits, BeforeValidator(_in_seconds), Field(description="limits and timeouts")] = Limits()

    @property
    def on_dask(self) -> bool:
        """Return whether downloads run on a Dask cluster.

        A local one, unless a scheduler is named.
        """
        return self.engine == "dask" or self.scheduler is not None


def setting_names() -> list[str]:
    """Return the dotted name of every setting, as config.toml nests them."""
    plain = [name for name in Settings.model_fields if name not in TABLES]
    return [*plain, *(f"{table}.{field.name}" for table, kind in TABLES.items() for field in fields(kind))]
