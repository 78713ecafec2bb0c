"""One run's settings with the profile of its archive, and the values that follow from both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from ..archive.access import AccessMethod, access_method
from ..archive.profile import ArchiveProfile
from ..errors import UsageError
from ..formatting import masked
from ..model.labels import Labelling
from ..model.limits import Limits
from ..storage.interface import Store
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from ..verify.expectation import Expectation
from ..vo.soda import SodaRequest
from .settings import Settings

TABLES = {"labels": Labelling, "limits": Limits}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a command works with: the user's settings, and the profile of the archive they name."""

    settings: Settings
    profile: ArchiveProfile

    @property
    def location(self) -> ObjectAddress | Path:
        """Where the spectra are."""
        return self.settings.out or Path("data") / self.profile.name

    @property
    def out(self) -> Path:
        """The folder with the spectra. UsageError if they are in an object store."""
        if isinstance(self.location, Path):
            return self.location
        raise UsageError(
            f"--out {self.location}: this works with spectra in a folder only; copy them into one first, as with "
            "`rclone copy` (run, plan, status, failures, verify, report and export work with object stores as well)"
        )

    @property
    def state_folder(self) -> Path:
        """The local folder that has ``.harvester`` in it."""
        if isinstance(self.location, Path):
            return self.location
        return (self.settings.state or Path("data")) / self.location.folder

    @property
    def is_demo(self) -> bool:
        """Whether the embedded archive is meant."""
        return self.settings.archive == "demo"

    @property
    def request(self) -> SodaRequest:
        chosen = self.settings
        names = self.profile.band_parameters
        return SodaRequest(self.profile.endpoint, chosen.fluxcalib, chosen.band, chosen.format, names)

    @property
    def route(self) -> AccessMethod:
        """Which addresses lead to a spectrum of this archive."""
        return access_method(self.profile, self.request)

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
            strict=profile.is_strict,
            conventions=profile.conventions,
        )

    def as_toml(self) -> str:
        """Every setting in force, as a config.toml that would set it."""
        chosen = self.settings
        values = chosen.model_dump(mode="json") | {
            "band": str(chosen.band or "none"),
            "out": str(self.location),
            "window": str(chosen.window or "none"),
            "deadline": str(chosen.deadline or "none"),
            "notify": masked(chosen.notify) if chosen.notify else "none",
        }
        values = {name: values[name] for name in sorted(values, key=lambda name: isinstance(values[name], dict))}
        omitted = {name: "none" for name in ("fluxcalib", "format") if values[name] is None}
        return tomli_w.dumps({name: value for name, value in (values | omitted).items() if value is not None})


def shelf_of(configuration: Configuration) -> Store:
    """The store that ``--out`` names. UsageError if what it needs is not installed, StoreError if it cannot be used."""
    settings = configuration.settings
    return open_store(configuration.location, configuration.state_folder, settings.refresh, settings.layout)


def absolute(configuration: Configuration) -> tuple[ObjectAddress | Path, Path]:
    """Where the spectra are, and the local folder of their books, for whoever has another working directory."""
    place = configuration.location
    return place.absolute() if isinstance(place, Path) else place, configuration.state_folder.absolute()
