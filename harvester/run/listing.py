"""List an archive's spectra as a table, for Python programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..config.configuration import Configuration
from ..discovery.client import VoClient
from ..discovery.discover import discover, list_spectra
from ..errors import UsageError
from ..vo.constraints import Constraints
from .demo_archive import running_archive

if TYPE_CHECKING:
    from astropy.table import QTable

UNITS = {"ra": "deg", "dec": "deg", "wave_min": "m", "wave_max": "m", "time": "d", "size": "byte"}


class _Rows:
    """Collect the rows of a list in memory."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}

    def begin(self, columns: Sequence[str]) -> None:
        """Take the header, in place of all that was collected before."""
        self._columns = {name: [] for name in columns}

    def write(self, row: dict[str, str]) -> None:
        """Take one spectrum."""
        for name, values in self._columns.items():
            values.append(row.get(name, ""))

    def table(self, meta: dict[str, object]) -> QTable:
        """Return a QTable: numbers with units (NaN is unknown), everything else as text."""
        import numpy as np
        from astropy.table import QTable

        columns = {
            name: np.array([value or "nan" for value in values], float) if name in UNITS else np.array(values, str)
            for name, values in self._columns.items()
        }
        units = {name: unit for name, unit in UNITS.items() if name in columns}
        return QTable(columns, units=units, meta=meta)


async def listed_spectra(configuration: Configuration, constraints: Constraints, most: int | None) -> QTable:
    """Return what the archive lists within ``constraints``, at most ``most`` spectra.

    UsageError if ``most`` is below 1, or the profile names no service that lists spectra; ArchiveError if the list
    cannot be had as a whole.
    """
    if most is not None and most < 1:
        raise UsageError(f"most = {most}: a number above 0 is expected, or None for all")
    async with running_archive(configuration) as running:
        profile, settings = running.profile, running.settings
        service = profile.tap or profile.ssap or (profile.endpoint if _is_address(settings.archive) else "")
        if not service:
            raise UsageError(
                f"archive = {settings.archive!r}: its profile has neither `tap` nor `ssap`, which list spectra; "
                "give the address of an SSAP service"
            )
        rows = _Rows()
        async with VoClient(settings.limits, settings.contact, _ignore, _ignore, running.connection) as client:
            findings = await discover(client, service, constraints, profile.table or None, bool(profile.tap))
            summary = await list_spectra(client, findings, constraints, rows, most)
        return rows.table({"service": service, "requests": client.requests, "remark": summary.remark})


def _is_address(archive: str) -> bool:
    return urlsplit(archive).scheme in ("http", "https")


def _ignore(words: str) -> None:
    """Print nothing."""
