"""Load settings from flags, environment, config.toml, profile and defaults, in this order."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from ..archive.capabilities import check_capabilities
from ..errors import UsageError
from ..formatting import masked
from .configuration import TABLES, Configuration
from .messages import did_you_mean, error_sentence
from .profiles import load_profile
from .settings import PREFIX, Settings

CONFIG = "config.toml"
DEFAULT, PROFILE = "default", "archive profile"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and the sources that it was merged from."""

    configuration: Configuration
    layers: _Layers
    profile_settings: Mapping[str, Any]

    def source(self, name: str) -> str:
        """Return where the setting with this dotted name got its value.

        A flag, a variable, a file, or the default.
        """
        return self.layers.source(name.split("."), self.profile_settings)


def load(flags: Mapping[str, Any], config: str | None = None, mark: str = "--") -> Configuration:
    """Return the configuration under ``flags`` (nested as in config.toml) and a settings file.

    mark: the beginning of a flag; "" for a caller in Python, whose flags are arguments.
    UsageError, with one sentence, for the first value that is wrong.
    """
    return load_with_sources(flags, config, mark).configuration


def load_with_sources(flags: Mapping[str, Any], config: str | None = None, mark: str = "--") -> Loaded:
    """Return the same as ``load`` with the source of each value."""
    file = Path(config or CONFIG)
    given = {name: value for name, value in flags.items() if value is not None}
    layers = _Layers(given, read_file(file, config, mark), str(file), mark)
    _check_environment()
    profile = load_profile(layers.merged({}).archive, mark)
    not_soda = {} if profile.mode == "soda" else {"fluxcalib": "none", "format": "none"}  # no service would read them
    lower = not_soda | profile.settings
    settings = layers.merged(lower)
    spelled = check_capabilities(profile, settings.fluxcalib, settings.format, settings.band)
    return Loaded(Configuration(settings.model_copy(update=spelled), profile), layers, lower)


@dataclass(frozen=True, slots=True)
class _Layers:
    """The sources above the profile; ``merged`` is the one place that knows the precedence."""

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
            source = self.source([str(part) for part in first["loc"]], None)
            raise UsageError(error_sentence(first, source, setting_names(), "setting")) from None
        except SettingsError as error:
            raise UsageError(
                f"environment: {error}; give plain values, {PREFIX}LIMITS__RATE=2 for nested ones"
            ) from None

    def source(self, names: list[str], profile: Mapping[str, Any] | None) -> str:
        """Return which source has the setting; ``profile`` None: the profile if no other has it."""
        if _contains(self.flags, names):
            return f"{self.mark}{names[-1].replace('_', '-')}" if self.mark else ""
        for depth in range(len(names), 0, -1):  # HARVESTER_LIMITS may contain the whole table as JSON
            variable = PREFIX + "__".join(names[:depth]).upper()
            if variable in os.environ:
                return f"environment variable {variable}"
        if _contains(self.file, names):
            return self.file_name
        return PROFILE if profile is None or _contains(profile, names) else DEFAULT


def _contains(values: object, names: list[str]) -> bool:
    for name in names:
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def read_file(file: Path, requested: str | None, mark: str = "--") -> dict[str, Any]:
    """Return the content of a settings file.

    UsageError if it is not TOML, or if it was ``requested`` by name and does not exist.
    """
    if requested is None and not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{mark}config {file}: {error.strerror}; give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML: {error}") from None


def setting_names() -> list[str]:
    """Return the dotted name of every setting, as config.toml nests them."""
    plain = [name for name in Settings.model_fields if name not in TABLES]
    return [*plain, *(f"{table}.{field.name}" for table, kind in TABLES.items() for field in fields(kind))]


def _check_environment() -> None:
    known = {PREFIX + name.upper().replace(".", "__"): name for name in [*setting_names(), *TABLES]}
    for variable, value in os.environ.items():
        if variable.startswith(PREFIX) and variable not in known:
            hint = did_you_mean(variable, list(known), PREFIX)
            shown = masked(value) if "://" in value else value
            raise UsageError(f"environment variable {variable} = {shown!r}: there is no such setting{hint}")
