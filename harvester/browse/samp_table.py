"""Make the table of stored spectra that other programs get.

It has units, UCDs and the files' addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..dataset.astropy_table import build_table
from ..dataset.stored_files import StoredFile

if TYPE_CHECKING:
    from astropy.table import Table

UCDS = {
    "did": "meta.id;meta.main",
    "object_name": "meta.id;src",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "mjd": "time.epoch;obs.exposure",
    "exposure": "time.duration;obs.exposure",
    "wave_min": "em.wl;stat.min",
    "wave_max": "em.wl;stat.max",
    "access_url": "meta.ref.url",
    "access_format": "meta.code.mime",
}
"""The UCD of each column that has one; ``mjd`` is the middle of the exposure (UTC)."""


def sendable_table(files: Iterable[StoredFile]) -> Table:
    """Return a row for each of ``files``, in an astropy Table that a VOTable can hold.

    ``access_url`` and ``access_format`` are those of ObsCore: with them TOPCAT shows the spectrum of a row.
    """
    from astropy.table import Table
    from astropy.utils.masked import get_data_and_mask

    rows = list(files)
    built = build_table(rows, {})
    times, missing = get_data_and_mask(built["time"].mjd)
    built.remove_column("time")
    for name in ("wave_min", "wave_max"):
        built[name] = built[name].to("nm")  # VOTables of today have no Angstrom
    table = Table(built, meta={})
    mjd = times.astype(float)
    if missing is not None:
        mjd[missing] = float("nan")
    table["mjd"] = mjd
    table["mjd"].unit = "d"
    paths = [Path(row.path).absolute() for row in rows]
    table["access_url"] = [path.as_uri() for path in paths]
    table["access_format"] = [
        "application/x-votable+xml" if path.suffix == ".vot" else "application/fits" for path in paths
    ]
    for name, ucd in UCDS.items():
        table[name].meta["ucd"] = ucd
    return table
