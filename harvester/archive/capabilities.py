"""Check requested parameters against what the archive offers, before the first request.

DaCHS answers 422 to a value or a parameter that it does not offer, for every spectrum alike. Values are compared
without regard to case and sent in the service's own spelling, which is what counts (the genuine options of CCD700 are
``relative``, ``UNCALIBRATED`` and ``normalized``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from ..errors import UsageError
from ..formatting import plain_line
from ..model.band import Band
from .profile import ArchiveProfile


def check_capabilities(
    profile: ArchiveProfile,
    fluxcalib: str | None,
    format: str | None,  # noqa: A002 - the name of the setting
    band: Band | None,
) -> dict[str, str]:
    """Return the requested FLUXCALIB and FORMAT as the archive spells them.

    UsageError for what it lacks.
    """
    if profile.mode != "soda":
        return _as_stored(profile, {"fluxcalib": fluxcalib, "format": format, "band": band})
    if band is not None and not profile.knows(*profile.band_parameters):
        raise UsageError(f"--band: {profile.name} cuts out no wavelengths{_knows(profile)}; leave it out")
    spelled = {
        "fluxcalib": _spelled(profile, "fluxcalib", fluxcalib, profile.fluxcalibs),
        "format": _spelled(profile, "format", format, profile.formats),
    }
    return {name: value for name, value in spelled.items() if value is not None}


def _as_stored(profile: ArchiveProfile, requested: Mapping[str, object]) -> dict[str, str]:
    """Refuse any parameter for an archive that serves its files as they are."""
    for name, value in requested.items():
        if value is not None:
            raise UsageError(
                f"--{name} {value}: {profile.name} serves its files as they are (mode = {profile.mode!r}), "
                "without a service that processes them; leave it out"
            )
    return {}


def _spelled(profile: ArchiveProfile, name: str, value: str | None, options: Sequence[str]) -> str | None:
    if value is None:
        return None
    if not profile.knows(name):
        raise UsageError(f"--{name} {value}: {profile.name} has no such parameter{_knows(profile)}; give none")
    plain = {_plain(option): option for option in reversed(options)}
    if not options or _plain(value) in plain:
        return value if value in options or not options else plain[_plain(value)]
    near = difflib.get_close_matches(_plain(value), plain, 1, 0.6)
    hint = f"; did you mean {plain[near[0]]}?" if near else ""
    listed = plain_line(", ".join(options), 600)  # a server's words: a profile may come from anywhere
    raise UsageError(f"--{name} {value}: {profile.name} offers {listed}{plain_line(hint)} (none omits {name})")


def _plain(value: str) -> str:
    return "".join(value.split()).casefold()


def _knows(profile: ArchiveProfile) -> str:
    return f" (it knows {plain_line(', '.join(profile.parameters))})"
