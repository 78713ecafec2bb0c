"""Load settings: flags before environment before config.toml before profile before defaults."""

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
from .messages import complaint, did_you_mean
from .profiles import load_profile
from .settings import PREFIX, Settings

CONFIG = "config.toml"


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
    spelled = check_capabilities(profile, settings.fluxcalib, settings.format, settings.band)
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
