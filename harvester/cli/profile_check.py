"""Try a profile that is there, and show those that come with harvester.

``discover --check`` and ``--list``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .discover_output import ignore, sample_lines, say, show_progress, write_text

if TYPE_CHECKING:
    from ..archive.profile import ArchiveProfile
    from ..config.configuration import Configuration
    from ..discovery.client import VoClient
    from ..discovery.learn import SampleReport
    from ..vo.listing import ListedSpectrum

_LISTED = 20  # spectra of which three are tried
UNSUITABLE = 3


def check_profile(
    archive: str, settings: Configuration, catalog: str | None, output: Path | None, verbose: bool
) -> int:
    """Fetch three spectra of a profile's archive; write what they need to ``output``.

    Return 3 if they show that it does not work as it is. They are those of ``catalog``, else of the archive's own list.
    """
    from ..config.profiles import load_profile
    from ..errors import UsageError

    profile = load_profile(archive)
    if not (catalog or profile.tap or profile.ssap):
        raise UsageError(
            f"discover --check {archive}: the profile has neither ssap nor tap, so there is no list to try; "
            "give some identifiers with --catalog FILE"
        )
    tried, sample = asyncio.run(_tried(replace(settings, profile=profile), catalog, verbose))
    print(archive, *(f"  {'sample':<12}{words}" for words in sample_lines(sample)), sep="\n")
    if tried != profile:
        print(f"  {'profile':<12}set {_changes(profile, tried)}")
    if output:
        write_text(
            output,
            tried.as_toml("\n".join([f"Checked by `harvester discover --check {archive}`", *sample_lines(sample)])),
        )
        print(f"  {'written':<12}{output}; use it with --archive {output}")
    return UNSUITABLE if tried != profile or sample.verified < sample.tried else 0


def list_profiles() -> int:
    """Print the profiles that come with harvester."""
    from ..config.profiles import load_profile, shipped_profiles

    for name in shipped_profiles():
        profile = load_profile(name)
        mark = " (unproven: made from documents alone; run `discover --check` first)" if profile.unproven else ""
        print(f"{name:<12}{profile.title}{mark}")
    return 0


async def _tried(
    configuration: Configuration, catalog: str | None, verbose: bool
) -> tuple[ArchiveProfile, SampleReport]:
    from ..discovery.client import VoClient
    from ..discovery.sample import try_profile

    chosen, profile = configuration.settings, configuration.profile
    on_request = say if verbose else ignore
    async with VoClient(chosen.limits, chosen.contact, say, on_request, configuration.connection) as client:
        spectra = _of_catalog(configuration, catalog) if catalog else await _of_archive(client, profile)
        return await try_profile(client, profile, spectra, chosen.limits.max_bytes)


def _of_catalog(configuration: Configuration, file: str) -> Sequence[ListedSpectrum]:
    """Return the first, the middle and the last spectrum of a catalog."""
    from ..catalog.reader import read_catalog
    from ..vo.listing import ListedSpectrum
    from ..vo.media_types import media_kind

    id_column = str(configuration.profile.settings.get("id_column", configuration.settings.id_column))
    catalog = read_catalog(file, replace(configuration.catalog_rules(), id_column=id_column))
    last = len(catalog.dids) - 1
    numbers = sorted({0, last // 2, last})
    addresses = {number: catalog.address(number) for number in numbers}
    return [ListedSpectrum(catalog.dids[at], addresses[at], media_kind("", addresses[at])) for at in numbers]


async def _of_archive(client: VoClient, profile: ArchiveProfile) -> Sequence[ListedSpectrum]:
    """Return some of the first spectra that the archive lists."""
    from ..discovery.discover import discover, list_spectra
    from ..discovery.sample import samples_of
    from ..vo.constraints import Constraints
    from .catalog_file import NullCatalog

    address = profile.tap or profile.ssap
    findings = await discover(client, address, Constraints(), profile.table or None, by_tap=bool(profile.tap))
    listed = await list_spectra(client, findings, Constraints(), NullCatalog(), _LISTED, show_progress)
    return samples_of(findings, listed)


def _changes(profile: ArchiveProfile, other: ArchiveProfile) -> str:
    """Return the fields in which ``other`` differs, as they stand in a profile."""
    names = [one.name for one in fields(profile) if getattr(profile, one.name) != getattr(other, one.name)]
    top = [f"{name} = {getattr(other, name)!r}" for name in names if name != "settings"]
    changed = [item for item in other.settings.items() if item not in profile.settings.items()]
    return ", ".join([*top, *(f"{name} = {value!r} below [settings]" for name, value in changed)])
