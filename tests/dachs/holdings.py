"""The demo archive's spectra as files of a DaCHS resource: the products, their pixels, and one table of all rows."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path

import numpy as np

from harvester.demo.fits import original_fits
from harvester.demo.observations import PUBLISHED, SyntheticObservation, observe
from harvester.demo.synthesis import Calibration, synthesize
from harvester.demo.votables import spectrum_votable
from harvester.model.target import SpectrumId


def write_holdings(folder: Path, dids: Iterable[SpectrumId]) -> None:
    """Into ``folder`` (the inputs' ccd700): NAME.fit, NAME.vot and NAME.npy of each spectrum, and rows.csv."""
    rows = [row for observation in map(observe, dids) for row in _write_spectrum(folder, observation)]
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_spectrum(folder: Path, observation: SyntheticObservation) -> Iterator[dict[str, object]]:
    path = folder.parent / observation.accref
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = synthesize(observation, Calibration.UNCALIBRATED)
    normalized = synthesize(observation, Calibration.NORMALIZED)
    np.save(path.with_suffix(".npy"), np.stack((counts.wave, counts.flux, normalized.flux)))
    path.write_bytes(original_fits(observation))
    path.with_suffix(".vot").write_bytes(spectrum_votable(observation, counts, unit="count"))
    written = observation.written.replace(tzinfo=UTC).timestamp()
    for suffix, mime in ((".fit", "image/fits"), (".vot", "application/x-votable+xml")):
        product = path.with_suffix(suffix)
        os.utime(product, (written, written))
        yield {
            "accref": product.relative_to(folder.parent).as_posix(),
            "mime": mime,
            "accsize": product.stat().st_size,
            **_metadata(observation),
        }


def _metadata(observation: SyntheticObservation) -> dict[str, object]:
    first, last = observation.wave_limits
    return {
        "title": observation.accref,
        "did": observation.did,
        "cdate": observation.written.isoformat(),
        "pdate": PUBLISHED,
        "targname": observation.star.name,
        "ra": observation.star.ra,
        "dec": observation.star.dec,
        "mjd": observation.mid_time,
        "exposure": observation.exposure,
        "specstart": first * 1e-10,
        "specend": last * 1e-10,
        "points": observation.points,
        **observation.log,
    }
