"""Flags, environment, config.toml and the archive's profile become one frozen Settings; nobody else reads any of them.

Precedence: flag > environment (``HARVESTER_*``, ``__`` nests) > config.toml > archive profile > default.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import tomli_w
from annotated_types import Ge, Le, MinLen
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from .archive.offers import offered
from .archive.profile import ArchiveProfile
from .archive.request import DlgetRequest
from .archive.routes import Route, route_of
from .band import Band, parse_band
from .complaints import complaint, did_you_mean
from .errors import UsageError
from .expectation import Expectation
from .labelling import Labelling
from .limits import Limits
from .profiles import load_profile
from .schedule import Deadline, Window, parse_deadline, parse_duration, parse_window
from .stores.address import ObjectAddress, parse_address
from .words import masked

PREFIX = "HARVESTER_"
CONFIG = "config.toml"

Layout = Literal["flat", "hashed"]
Progress = Literal["auto", "rich", "plain", "json", "none"]


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
        Layout | None,
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
    progress: Annotated[Progress, Field(description="auto, rich, plain, json or none")] = "auto"
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
    labels: Annotated[Labelling, Field(description="what the catalogue's labels are called and mean")] = Labelling()
    limits: Annotated[Limits, BeforeValidator(_in_seconds), Field(description="ceilings and patience")] = Limits()

    @property
    def on_dask(self) -> bool:
        """Whether a Dask cluster does the work: one of this machine, unless a scheduler is named."""
        return self.engine == "dask" or self.scheduler is not None


TABLES = {"labels": Labelling, "limits": Limits}
"""The settings that are tables of their own."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a command works with: the user's settings, and the profile of the archive they name."""

    settings: Settings
    profile: ArchiveProfile

    @property
    def place(self) -> ObjectAddress | Path:
        """Where the spectra are."""
        return self.settings.out or Path("data") / self.profile.name

    @property
    def out(self) -> Path:
        """The folder with the spectra. UsageError if they are in an object store."""
        if isinstance(self.place, Path):
            return self.place
        raise UsageError(
            f"--out {self.place}: this works with spectra in a folder only; copy them into one first, as with "
            "`rclone copy` (run, plan, status, failures, verify, report and export work with object stores as well)"
        )

    @property
    def home(self) -> Path:
        """The local folder that has ``.harvester`` in it."""
        return self.place if isinstance(self.place, Path) else (self.settings.state or Path("data")) / self.place.folder

    @property
    def is_demo(self) -> bool:
        """Whether the embedded archive is meant."""
        return self.settings.archive == "demo"

    @property
    def request(self) -> DlgetRequest:
        chosen = self.settings
        names = self.profile.band_parameters
        return DlgetRequest(self.profile.endpoint, chosen.fluxcalib, chosen.band, chosen.format, names)

    @property
    def route(self) -> Route:
        """Which addresses lead to a spectrum of this archive."""
        return route_of(self.profile, self.request)

    @property
    def expectation(self) -> Expectation:
        """What every spectrum of this harvest must prove to be."""
        normalized = (self.settings.fluxcalib or "").lower() == "normalized"
        profile = self.profile
        return Expectation(
            band=self.settings.band,
            normalized=normalized,
            identity_card=profile.identity_card or None,
            median_flux=profile.normalized_flux,
            band_tolerance=profile.band_tolerance,
            axis_tolerance=profile.axis_tolerance,
            step_tolerance=profile.step_tolerance or None,
            spectral_unit=profile.spectral_unit,
        )

    def as_toml(self) -> str:
        """Every setting in force, as a config.toml that would set it."""
        chosen = self.settings
        values = chosen.model_dump(mode="json") | {
            "band": str(chosen.band or "none"),
            "out": str(self.place),
            "window": str(chosen.window or "none"),
            "deadline": str(chosen.deadline or "none"),
            "notify": masked(chosen.notify) if chosen.notify else "none",
        }
        values = {name: values[name] for name in sorted(values, key=lambda name: isinstance(values[name], dict))}
        omitted = {name: "none" for name in ("fluxcalib", "format") if values[name] is None}
        return tomli_w.dumps({name: value for name, value in (values | omitted).items() if value is not None})


def load(flags: Mapping[str, Any], config: str | None = None, mark: str = "--") -> Configuration:
    """The configuration under ``flags`` (nested as in config.toml; None is not given) and the file ``config``.

    mark: what a flag begins with; "" for a caller in Python, whose flags are arguments.
    UsageError, in one sentence, for the first thing that is wrong.
    """
    file = Path(config or CONFIG)
    given = {name: value for name, value in flags.items() if value is not None}
    layers = _Layers(given, read_file(file, config, mark), str(file), mark)
    _check_environment()
    profile = load_profile(layers.merged({}).archive, mark)
    unasked = {} if profile.mode == "soda" else {"fluxcalib": "none", "format": "none"}  # nobody is there to be asked
    settings = layers.merged(unasked | profile.settings)
    spelled = offered(profile, settings.fluxcalib, settings.format, settings.band)
    return Configuration(settings.model_copy(update=spelled), profile)


@dataclass(frozen=True, slots=True)
class _Layers:
    """What was given where. ``merged`` is the one place that knows the precedence."""

    flags: Mapping[str, Any]
    file: Mapping[str, Any]
    file_name: str
    mark: str

    def merged(self, profile: dict[str, Any]) -> Settings:
        file = dict(self.file)

        class Layered(Settings):
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                lower = (InitSettingsSource(settings_cls, values) for values in (file, profile))
                return init_settings, env_settings, *lower

        try:
            return Layered(**self.flags)
        except ValidationError as error:
            first = error.errors()[0]
            where = self._origin([str(part) for part in first["loc"]])
            raise UsageError(complaint(first, where, setting_names(), "setting")) from None
        except SettingsError as error:
            raise UsageError(
                f"environment: {error}; give plain values, {PREFIX}LIMITS__RATE=2 for nested ones"
            ) from None

    def _origin(self, names: list[str]) -> str:
        if _holds(self.flags, names):
            return f"{self.mark}{names[-1].replace('_', '-')}" if self.mark else ""
        for depth in range(len(names), 0, -1):  # HARVESTER_LIMITS may hold the whole table as JSON
            variable = PREFIX + "__".join(names[:depth]).upper()
            if variable in os.environ:
                return f"environment variable {variable}"
        return self.file_name if _holds(self.file, names) else "archive profile"


def _holds(values: object, names: list[str]) -> bool:
    for name in names:
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def read_file(file: Path, asked_for: str | None, mark: str = "--") -> dict[str, Any]:
    """What a settings file says. UsageError if it is no TOML, or is not there though it was ``asked_for``."""
    if asked_for is None and not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{mark}config {file}: {error.strerror}; give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML: {error}") from None


def setting_names() -> list[str]:
    """Every setting's dotted name, as config.toml nests them."""
    plain = [name for name in Settings.model_fields if name not in TABLES]
    return [*plain, *(f"{table}.{field.name}" for table, kind in TABLES.items() for field in fields(kind))]


def _check_environment() -> None:
    known = {PREFIX + name.upper().replace(".", "__"): name for name in [*setting_names(), *TABLES]}
    for variable, value in os.environ.items():
        if variable.startswith(PREFIX) and variable not in known:
            hint = did_you_mean(variable, list(known), PREFIX)
            told = masked(value) if "://" in value else value
            raise UsageError(f"environment variable {variable} = {told!r}: there is no such setting{hint}")
