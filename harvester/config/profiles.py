"""Find and parse an archive profile, by its name, file or URL."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from ..archive.profile import ArchiveProfile
from ..errors import UsageError
from .messages import did_you_mean, error_sentence


def shipped_profiles() -> list[str]:
    """Return the names of the archive profiles that come with harvester."""
    folder = files("harvester.archive") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_profile(archive: str, mark: str = "--") -> ArchiveProfile:
    """Return the profile that a name, a TOML file or a URL stands for. UsageError if none.

    mark: what a flag begins with; "" for a caller in Python.
    """
    if archive.startswith(("http://", "https://")):
        try:
            host = urlsplit(archive).hostname
        except ValueError:  # a bracket that begins no IPv6 address
            host = None
        if not host:
            raise UsageError(f"{mark}archive {archive}: a URL without a host; give a dlget URL")
        profile = ArchiveProfile(name=host, title=host, endpoint=archive)
        if profile.problem:
            raise UsageError(f"{mark}archive http://...@{host}: {profile.problem}")
        return profile
    if archive in shipped_profiles():
        text = (files("harvester.archive") / "profiles" / f"{archive}.toml").read_text(encoding="utf-8")
        return _profile(text, archive)
    if not archive.endswith(".toml"):
        known = shipped_profiles()
        hint = did_you_mean(archive, known)
        raise UsageError(
            f"{mark}archive {archive}: no such profile{hint} (shipped: {', '.join(known)}; or FILE.toml, or a URL)"
        )
    try:
        text = Path(archive).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{mark}archive {archive}: {error.strerror}; give an archive profile") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"archive profile {archive}: not TOML: {error}") from None
    return _profile(text, archive)


def _profile(text: str, source: str) -> ArchiveProfile:
    try:
        profile = TypeAdapter(ArchiveProfile).validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"archive profile {source}: not TOML: {error}") from None
    except ValidationError as error:
        known = [one.name for one in fields(ArchiveProfile)]
        raise UsageError(error_sentence(error.errors()[0], f"archive profile {source}", known, "field")) from None
    if profile.problem:
        raise UsageError(f"archive profile {source}: {profile.problem}")
    return profile
