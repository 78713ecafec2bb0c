"""Load settings from flags, environment, files, archive profile and defaults.

The first that has a setting decides; the file of the working directory comes before that of the user.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic import ValidationError

from ..archive.capabilities import check_capabilities
from ..errors import UsageError
from .configuration import Configuration
from .environment import from_environment, variable_of
from .messages import error_sentence
from .profiles import load_profile
from .settings import Settings, setting_names

CONFIG = "config.toml"
DEFAULT, PROFILE = "default", "archive profile"


def user_file() -> Path:
    """Return the settings file of the user, ``~/.config/harvester/config.toml`` on Linux."""
    return user_config_path("harvester") / CONFIG


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and the sources that it was merged from."""

    configuration: Configuration
    layers: _Layers
    profile_settings: Mapping[str, Any]

    def source(self, name: str) -> str:
        """Return where the setting with this dotted name got its value.

        That is a flag, a variable, a file, or the default.
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
    user = user_file()
    files = ((str(file), read_file(file, config, mark)), (str(user), read_file(user, None)))
    layers = _Layers(given, files, mark)
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
    files: tuple[tuple[str, Mapping[str, Any]], ...]
    """Settings files by name, that with the highest precedence first."""
    mark: str

    def merged(self, profile: Mapping[str, Any]) -> Settings:
        files = (content for _, content in reversed(self.files))
        layers = (profile, *files, from_environment(os.environ), self.flags)
        try:
            return Settings.model_validate(reduce(_merged, layers))
        except ValidationError as error:
            first = error.errors()[0]
            source = self.source([str(part) for part in first["loc"]], None)
            raise UsageError(error_sentence(first, source, setting_names(), "setting")) from None

    def source(self, names: list[str], profile: Mapping[str, Any] | None) -> str:
        """Return which source has the setting; ``profile`` None: the profile if no other has it."""
        if _contains(self.flags, names):
            return f"{self.mark}{names[-1].replace('_', '-')}" if self.mark else ""
        for depth in range(len(names), 0, -1):  # HARVESTER_LIMITS may contain the whole table as JSON
            variable = variable_of(".".join(names[:depth]))
            if variable in os.environ:
                return f"environment variable {variable}"
        for file, content in self.files:
            if _contains(content, names):
                return file
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


def _merged(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return both layers, tables merged name by name.

    Where both have a value, it is that of ``higher``.
    """
    tables = {
        name: _merged(lower[name], higher[name])
        for name in lower.keys() & higher.keys()
        if isinstance(lower[name], Mapping) and isinstance(higher[name], Mapping)
    }
    return {**lower, **higher, **tables}
