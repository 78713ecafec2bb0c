"""Describe one archive: where it is, what it expects, and what its files promise.

Its quirks are data.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le

from ..model.conventions import FileConventions
from ..model.expectation import Expectation
from ..model.outcomes import Level
from ..vo.data_origin import DataOrigin
from ..vo.urls import Mode
from .connection import Authentication

PLACEHOLDERS = ("{id}", "{path}", "{name}")


def has_credentials(url: str) -> bool:
    """Return whether there is a ``name:password@`` before the host of ``url``."""
    return re.match(r"[^/?#]*//[^/?#]*@", url) is not None


@dataclass(frozen=True, slots=True)
class ArchiveProfile:
    """One archive; ``settings`` are defaults below the user's own.

    ``endpoint`` is, by ``mode``, its dlget (SODA sync) URL; the URL that gives datalink documents by ID; or the
    address of a file, with ``{id}``, ``{path}`` or ``{name}`` for the DID, what is behind its authority or ``?``, and
    its last segment. For the latter two it may be empty: the catalog's ``access_url`` tells.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    name: str
    """Its short name: the folder below ``data/``."""
    title: str
    """Its name for people."""
    endpoint: str = ""
    """By ``mode``: the dlget (SODA sync) URL; the URL of datalink documents; or a file's URL with ``{id}`` (the DID),
    ``{path}`` (behind its authority or ``?``) or ``{name}`` (its last segment). The last two may be empty: then the
    catalog's column ``access_url`` is used."""
    identity_card: str | None = "DS_IDPUB"
    """The header card in which the archive's files name their publisher DID; empty if they do not."""
    normalized_flux: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (0.2, 5.0)
    """Where the median flux of a normalized spectrum lies; counts lie in the thousands."""
    band_tolerance: Annotated[float, Ge(0)] = 1e-10
    """Metres that wavelengths may lie outside the requested band."""
    axis_tolerance: Annotated[float, Ge(0)] = 1e-6
    """Relative difference allowed between the wavelengths' ends and TDMIN1, TDMAX1; 0.001 or more where not strict."""
    step_tolerance: Annotated[float, Ge(0)] = 0.01
    """Relative difference allowed between two steps in wavelength; 0 for an archive that does not space them evenly."""
    ssap: str = ""
    """Its SSAP service, whose answers list what it has."""
    tap: str = ""
    """Its TAP service."""
    table: str = ""
    """That service's table of its spectra."""
    mode: Mode = "soda"
    """How a spectrum is fetched: from a SODA service, by its datalink document, or at an address of its own."""
    links_per_request: Annotated[int, Ge(1), Le(500)] = 50
    """Spectra whose datalink documents are requested at once; a service that takes fewer gets fewer, or one."""
    hosts: tuple[str, ...] = ()
    """Hosts that may be requested besides the endpoint's, where a catalog, a document or a redirect leads there."""
    spectral_unit: str = ""
    """The unit of the spectral axis in files that do not name it."""
    spectral_scale: Literal["", "linear", "log10", "ln"] = ""
    """Whether the numbers of that axis are wavelengths or their logarithms, where a file leaves it in doubt."""
    spectral_column: str = ""
    """The column of tables that has the spectral axis, by its name or its number from 1 on, where files do not tell."""
    flux_column: str = ""
    """The column of tables that has the flux, likewise."""
    reference_pixel: float | None = None
    """The value of CRPIX1 in images without that card: 1 where CRVAL1 is the first pixel's; the standard says 0."""
    strict: bool | None = None
    """Whether its files promise exact FITS, one spectrum each, finite flux and wavelengths that rise or fall; by
    default the files of archives that name their DID in them do."""
    parameters: tuple[str, ...] = ()
    """The names of the SODA service's parameters; empty if they are unknown. Others are never sent."""
    fluxcalibs: tuple[str, ...] = ()
    """The values of its FLUXCALIB, spelled exactly; empty if they are unknown."""
    formats: tuple[str, ...] = ()
    """The values of its FORMAT, spelled exactly; empty if they are unknown."""
    id_prefix: str = ""
    """What precedes a bare name in the archive's DIDs: a catalog may then have ``sh270028`` or ``sh270028.fits``."""
    identifiers: Literal["ivo", "any"] = "ivo"
    """Whether its spectra have publisher DIDs, or identifiers of any kind: addresses of files, numbers."""
    unproven: bool = False
    """Whether this profile was made from documents alone, and no run has shown yet that it works."""
    medium: Literal["", "air", "vacuum"] = ""
    """What its wavelengths are of, where a file does not say."""
    acknowledgement: str = ""
    """How it wishes to be cited, in its own words; empty if that is unknown."""
    origin: DataOrigin = field(default_factory=DataOrigin)
    """Publisher, citation and rights of its data, as its VOTables state them; ``discover`` fills it in."""
    auth: Authentication | None = None
    """The environment variables with the user's credentials (token, or user and password), and the hosts they go to."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Values for settings that neither flag, environment nor config.toml gives."""

    @property
    def is_strict(self) -> bool:
        """Whether deviations from FITS and invalid numbers are faults, not remarks.

        Invalid flux and overlapping orders are such numbers.
        """
        return bool(self.identity_card) if self.strict is None else self.strict

    @property
    def conventions(self) -> FileConventions:
        """What its files do not say."""
        return FileConventions(
            self.spectral_unit,
            self.spectral_scale,
            self.reference_pixel,
            self.medium,
            self.spectral_column,
            self.flux_column,
        )

    @property
    def expectation(self) -> Expectation:
        """What its files are verified against, under the settings that the profile itself gives."""
        is_soda = self.mode == "soda"
        fluxcalib, form = self.settings.get("fluxcalib", "normalized"), self.settings.get("format", "application/fits")
        return Expectation(
            normalized=is_soda and str(fluxcalib).lower() == "normalized",
            identity_card=self.identity_card or None,
            median_flux=self.normalized_flux,
            band_tolerance=self.band_tolerance,
            axis_tolerance=self.axis_tolerance,
            step_tolerance=self.step_tolerance or None,
            strict=self.is_strict,
            conventions=self.conventions,
            require=Level(self.settings.get("require", Level.SCIENCE)),
            fits_only=is_soda and "fits" in str(form).casefold(),
        )

    @property
    def auth_hosts(self) -> frozenset[str]:
        """The hosts that get the user's credentials."""
        named = self.auth.hosts if self.auth else ()
        return frozenset(host.lower() for host in named) or self.all_hosts

    @property
    def takes_any_identifier(self) -> bool:
        """Whether a catalog of its spectra may have identifiers other than publisher DIDs."""
        return self.identifiers == "any"

    def knows(self, *names: str) -> bool:
        """Whether the service has parameters of these names, which have no case.

        DALI 1.1, section 3.1.
        """
        known = {name.casefold() for name in self.parameters}
        return not known or all(name.casefold() in known for name in names)

    @property
    def band_parameters(self) -> tuple[str, ...]:
        """What a cutout's limits are called.

        It is one parameter BAND (SODA 1.0), or two parameters, as before that standard.
        """
        older = ("LAMBDA_MIN", "LAMBDA_MAX")
        return older if self.parameters and not self.knows("BAND") and self.knows(*older) else ("BAND",)

    @property
    def host(self) -> str:
        """The host of the archive, for people to read."""
        return urlsplit(self.endpoint).hostname or next(iter(self.hosts), "")

    @property
    def all_hosts(self) -> frozenset[str]:
        """Every host that may be requested, in lower case, as URLs are compared."""
        return frozenset(host.lower() for host in (self.host, *self.hosts) if host)

    @property
    def problem(self) -> str:
        """What is wrong with how it is fetched from, in a clause; '' if nothing is."""
        for name in ("endpoint", "ssap", "tap"):
            if has_credentials(getattr(self, name)):
                return f"{name} has a name or a password in it; none is ever sent, leave it out"
        if self.auth and self.auth.problem:
            return self.auth.problem
        if self.mode == "soda" and not self.endpoint:
            return "there is no endpoint; give its dlget (SODA sync) URL"
        if self.mode == "direct" and self.endpoint and not any(mark in self.endpoint for mark in PLACEHOLDERS):
            return "endpoint leads to one file alone; write {id}, {path} or {name} into it, or leave it out"
        if not self.all_hosts:
            return "neither endpoint nor hosts says which hosts may be requested; name those of its addresses"
        return ""

    def as_toml(self, heading: str = "") -> str:
        """Return the profile as a file for ``--archive FILE.toml``, without defaults."""
        import tomli_w

        lines = "".join(f"# {line}\n" for line in heading.splitlines())
        default = ArchiveProfile("", "")
        said = [one.name for one in fields(self) if getattr(self, one.name) != getattr(default, one.name)]
        values = asdict(self)
        values["origin"] = {name: text for name, text in values["origin"].items() if text}
        return lines + tomli_w.dumps({name: values[name] for name in said if values[name] is not None})
