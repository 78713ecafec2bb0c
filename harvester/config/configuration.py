"""Combine the settings of a run with the profile of its archive."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..archive.connection import STRAIGHT, Connection
from ..archive.profile import ArchiveProfile
from ..catalog.rules import CatalogRules
from ..errors import UsageError
from ..formatting import masked
from ..model.expectation import Expectation
from ..model.outcomes import Level
from ..storage.url import ObjectAddress
from ..vo.soda import SodaRequest
from .settings import Settings

if TYPE_CHECKING:
    from ..archive.access import AccessMethod
    from ..storage.interface import Store


@dataclass(frozen=True, slots=True)
class Configuration:
    """The user's settings, the profile of the archive, and values that follow from both."""

    settings: Settings
    profile: ArchiveProfile

    @property
    def location(self) -> ObjectAddress | Path:
        """Return where the spectra are stored."""
        return self.settings.out or Path("data") / self.profile.name

    @property
    def out(self) -> Path:
        """Return the folder with the spectra. UsageError if they are in an object store."""
        if isinstance(self.location, Path):
            return self.location
        raise UsageError(
            f"--out {self.location}: this command needs spectra in a folder; copy them into one first, as with "
            "`rclone copy` (run, plan, status, failures, verify, preview, report and export work with object stores)"
        )

    @property
    def state_folder(self) -> Path:
        """Return the local folder that contains ``.harvester``."""
        if isinstance(self.location, Path):
            return self.location
        return (self.settings.state or Path("data")) / self.location.folder

    @property
    def is_demo(self) -> bool:
        """Return whether the archive is the demo archive."""
        return self.settings.archive == "demo"

    @property
    def request(self) -> SodaRequest:
        """Return the parameters of a request for one spectrum."""
        settings = self.settings
        names = self.profile.band_parameters
        return SodaRequest(self.profile.endpoint, settings.fluxcalib, settings.band, settings.format, names)

    @property
    def access(self) -> AccessMethod:
        """Return how the URL of a spectrum is found."""
        from ..archive.access import access_method

        return access_method(self.profile, self.request)

    @property
    def connection(self) -> Connection:
        """Return how requests reach the archive.

        UsageError where its profile names credentials that are not set.
        """
        auth, proxy = self.profile.auth, self.settings.proxy or ""
        missing = auth.missing(os.environ) if auth else []
        if missing:
            raise UsageError(
                f"archive profile {self.profile.name}: [auth] names the environment variable {missing[0]}, "
                "which is not set; set it, or remove [auth]"
            )
        return Connection(auth, self.profile.auth_hosts, proxy) if auth or proxy else STRAIGHT

    @property
    def expectation(self) -> Expectation:
        """Return what every spectrum of this harvest is verified against."""
        settings = self.settings
        return replace(
            self.profile.expectation,
            band=settings.band,
            normalized=(settings.fluxcalib or "").lower() == "normalized",
            require=Level(settings.require),
            accept_stored_level="require" not in settings.model_fields_set,
            fits_only=self.profile.mode == "soda" and "fits" in (settings.format or "").casefold(),
        )

    def as_toml(self) -> str:
        """Return all settings in force, as a config.toml that sets them."""
        import tomli_w

        settings = self.settings
        values = settings.model_dump(mode="json") | {
            "band": str(settings.band or "none"),
            "out": str(self.location),
            "window": str(settings.window or "none"),
            "deadline": str(settings.deadline or "none"),
            "notify": masked(settings.notify) if settings.notify else "none",
        }
        values = {name: values[name] for name in sorted(values, key=lambda name: isinstance(values[name], dict))}
        omitted = {name: "none" for name in ("fluxcalib", "format") if values[name] is None}
        return tomli_w.dumps({name: value for name, value in (values | omitted).items() if value is not None})

    def open_store(self) -> Store:
        """Return the store that ``--out`` names.

        UsageError if it needs a package that is not installed, StoreError if it cannot be used.
        """
        from ..storage.open_store import open_store

        return open_store(self.location, self.state_folder, self.settings.refresh, self.settings.layout)

    def catalog_rules(self, all_faults: bool = False, in_python: bool = False) -> CatalogRules:
        """Return how the rows of a catalog become spectra of this archive.

        ``all_faults``: list all faulty rows. ``in_python``: the user called a function.
        """
        profile, settings = self.profile, self.settings
        return CatalogRules(
            settings.id_column, profile.id_prefix, settings.labels.column, profile.takes_any_identifier, all_faults,
            in_python,
        )  # fmt: skip

    def absolute_locations(self) -> tuple[ObjectAddress | Path, Path]:
        """Return ``location`` and ``state_folder`` as they are called from any working directory."""
        location = self.location
        return location.absolute() if isinstance(location, Path) else location, self.state_folder.absolute()
