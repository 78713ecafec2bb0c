"""Flags, environment, config.toml and the archive's profile become one frozen Settings; nobody else reads any of them.

Precedence: flag > environment (``HARVESTER_*``, ``__`` nests) > config.toml > archive profile > default.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Le, MinLen
from pydantic import BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from ..formatting import masked
from ..model.band import Band, parse_band
from ..model.labels import Labelling
from ..model.limits import Limits
from ..model.schedule import Deadline, Window, parse_deadline, parse_duration, parse_window
from ..storage.url import ObjectAddress, parse_address

PREFIX = "HARVESTER_"

LayoutName = Literal["flat", "hashed"]
ProgressStyle = Literal["auto", "rich", "plain", "json", "none"]


def _none_if_said(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in ("none", "") else value


def _place(value: object) -> object:
    value = _none_if_said(value)
    return parse_address(value) if isinstance(value, str) and "://" in value else value


def _address(value: object) -> object:
    value = _none_if_said(value)
    if isinstance(value, str) and not re.fullmatch(r"[\w.+-]+@[\w.-]+", value, re.ASCII):
        raise ValueError("an e-mail address is expected, like me@observatory.example")
    return value


def _in_seconds(limits: object) -> object:
    """Durations may be told as people do: ``90s``, ``30m``, ``12h``, ``2d``."""
    if not isinstance(limits, dict):
        return limits
    return {name: _seconds(value) for name, value in limits.items()}


def _seconds(value: object) -> object:
    told = parse_duration(value) if isinstance(value, str) else None
    return value if told is None else told


def _band(value: object) -> object:
    value = _none_if_said(value)
    if value is None or isinstance(value, Band):
        return value
    if not isinstance(value, str):
        raise ValueError("a text 'LO HI [UNIT]' is expected, like '6500 6600 AA'")  # noqa: TRY004 - pydantic's protocol
    return parse_band(value)


def _window(value: object) -> object:
    value = _none_if_said(value)
    if value is None or isinstance(value, Window):
        return value
    return parse_window(str(value))


def _deadline(value: object) -> object:
    value = _none_if_said(value)
    if value is None or isinstance(value, Deadline):
        return value
    return parse_deadline(str(value))


def _webhook(value: object) -> object:
    value = _none_if_said(value)
    if value is None:
        return None
    try:
        there = urlsplit(str(value))
        sound = there.scheme in ("http", "https") and there.hostname and there.port != 0
    except ValueError:
        sound = False
    if not sound or not str(value).isprintable() or " " in str(value):
        raise ValueError("an address is expected, like https://hooks.example/T0/B0")
    if masked(str(value)) == value:
        raise ValueError("this is the address as it was masked for the log; give the whole one")
    return value


def _scheduler(value: object) -> object:
    value = _none_if_said(value)
    if isinstance(value, str):
        told = re.fullmatch(r"(?:tcp|tls)://[^\s/]+:(\d{1,5})", value)
        if told is None or not 0 < int(told[1]) < 65_536:
            raise ValueError("an address is expected, like tcp://10.0.0.1:8786")
    return value


Omittable = Annotated[str | None, BeforeValidator(_none_if_said)]


class Settings(BaseSettings):
    """Everything a user can set. ``description`` is what config.toml says of it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    catalog: Annotated[Omittable, Field(description="CSV of wanted spectra; '-' is standard input")] = None
    id_column: Annotated[str, MinLen(1), Field(description="its column with the publisher DIDs")] = "id"
    out: Annotated[
        ObjectAddress | Path | None,
        BeforeValidator(_place),
        Field(description="where spectra are stored: a folder, or s3://BUCKET/PREFIX; data/<archive> if not set"),
    ] = None
    state: Annotated[
        Path | None,
        BeforeValidator(_none_if_said),
        Field(description="local folder for the ledger and logs of harvests into object stores; data if not set"),
    ] = None
    layout: Annotated[
        LayoutName | None,
        BeforeValidator(_none_if_said),
        Field(description="how spectra lie in the folder: flat, or hashed (in 256 folders); as it has them, else flat"),
    ] = None
    archive: Annotated[
        str, MinLen(1), Field(description="a shipped profile (ondrejov, demo), a profile's FILE.toml, or a dlget URL")
    ] = "ondrejov"
    fluxcalib: Annotated[Omittable, Field(description="FLUXCALIB to ask for; 'none' omits it")] = "normalized"
    band: Annotated[
        Band | None,
        BeforeValidator(_band),
        Field(description="wavelengths to cut out, 'LO HI [UNIT]', metres if no unit; 'none' for all"),
    ] = None
    format: Annotated[Omittable, Field(description="FORMAT to ask for; 'none' omits it")] = "application/fits"
    contact: Annotated[
        str | None,
        BeforeValidator(_address),
        Field(description="your e-mail address, told to the archive in the User-Agent"),
    ] = None
    limit: Annotated[
        Annotated[int, Ge(1)] | None,
        BeforeValidator(_none_if_said),
        Field(description="ask for so many spectra at most in one run"),
    ] = None
    only_failed: Annotated[bool, Field(description="ask only for those that an earlier run gave up")] = False
    refresh: Annotated[bool, Field(description="ask again for those that are there, too, and replace them")] = False
    engine: Annotated[
        Literal["local", "dask"], Field(description="who fetches: this machine, or the workers of a Dask cluster")
    ] = "local"
    processes: Annotated[
        int, Ge(1), Le(256), Field(description="processes of this machine that fetch, under one pace and one ledger")
    ] = 1
    scheduler: Annotated[
        str | None,
        BeforeValidator(_scheduler),
        Field(description="address of a Dask scheduler, tcp://HOST:PORT, whose workers fetch"),
    ] = None
    progress: Annotated[ProgressStyle, Field(description="auto, rich, plain, json or none")] = "auto"
    window: Annotated[
        Window | None,
        BeforeValidator(_window),
        Field(
            description="ask within these hours only, '20:00-06:00 [ZONE]'; a run waits for them, and ends with them"
        ),
    ] = None
    deadline: Annotated[
        Deadline | None,
        BeforeValidator(_deadline),
        Field(description="end in order at the next '06:00 [ZONE]', or so long ('8h') after the start"),
    ] = None
    metrics_file: Annotated[
        Path | None,
        BeforeValidator(_none_if_said),
        Field(description="write metrics there every 15 seconds, for node_exporter (FILE.prom)"),
    ] = None
    metrics_port: Annotated[
        Annotated[int, Ge(1), Le(65_535)] | None,
        BeforeValidator(_none_if_said),
        Field(description="serve metrics for Prometheus on this port of 127.0.0.1"),
    ] = None
    notify: Annotated[
        str | None,
        BeforeValidator(_webhook),
        Field(description="POST a few lines of JSON there at the end, and when a pause lasts 10 minutes"),
    ] = None
    labels: Annotated[Labelling, Field(description="what the catalog's labels are called and mean")] = Labelling()
    limits: Annotated[Limits, BeforeValidator(_in_seconds), Field(description="ceilings and patience")] = Limits()

    @property
    def on_dask(self) -> bool:
        """Whether a Dask cluster does the work: one of this machine, unless a scheduler is named."""
        return self.engine == "dask" or self.scheduler is not None


"""The settings that are tables of their own."""
