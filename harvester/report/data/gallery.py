"""Choose the spectra to show: usual and unusual ones, and quarantined bodies."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dataset.h_alpha import Rows
from ...dataset.stored_files import DamagedError, read_stored
from ...fits.errors import InvalidSpectrumError
from ...fits.observation import observation_of
from ...fits.spectrum import Spectrum, angstroms
from ...formatting import plain_line, plural
from ...model.conventions import FileConventions
from ...model.labels import Labelling
from ...readers.spectrum_file import read_spectrum
from ...storage.interface import Store
from ..svg import Curve
from .sampling import SampledSpectrum, SpectraSample

USUAL = 3  # of each label
MOST_LABELS = 12
UNUSUAL = 9
QUARANTINED = 48
LEAST = 5  # spectra of one label: of fewer, none is usual
MEANING = (
    "Unusual means far from the median spectrum of the same label: at each wavelength within 40 Å of Hα the distance "
    "is taken in units of the label's typical spread there, no more than 25 of them, and averaged."
)
_LARGEST_BODY = 32 * 2**20
_LEAST_SPREAD = 0.01  # of the continuum
_FARTHEST = 25.0  # one hot pixel is not what makes a spectrum unusual


@dataclass(frozen=True, slots=True)
class Picture:
    """A spectrum to look at.

    Where ``curve`` is None, ``reason`` says why, as the server or a check put it.
    """

    title: str
    name: str
    did: str
    curve: Curve | None
    details: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a report.

    usual: by label; compared: how many spectra the unusual ones were chosen from; in_quarantine: number of bodies, of
    which ``quarantined`` are shown, the latest first.
    """

    usual: Sequence[tuple[str, Sequence[Picture]]]
    labels: int
    unusual: Sequence[Picture]
    compared: int
    quarantined: Sequence[Picture]
    in_quarantine: int


def select_gallery(
    sample: SpectraSample, store: Store, labelling: Labelling, missing: Collection[str], conventions: FileConventions
) -> Gallery:
    """Choose, read again and draw. StoreError if the disk fails.

    ``missing``: names of the spectra that are not stored; ``conventions``: what files do not say.
    """
    compared = [one for one in sample.spectra if one.labelled.row is not None]
    labels = [one.labelled.label for one in compared]
    distance = distances(sample.rows, labels)
    found = sorted(set(labels) or {one.labelled.label for one in sample.spectra})
    known = np.nan_to_num(distance, nan=-1.0)
    most = min(UNUSUAL, -(-int(np.isfinite(distance).sum()) // 4))  # of a few spectra, not all can be unusual
    farthest = [number for number in np.argsort(-known, kind="stable")[:most] if known[number] > 0]
    entries = sorted(store.state.quarantine.glob("*.json"), key=lambda entry: _quarantine_order(entry, missing))
    return Gallery(
        [(label, _usual(label, sample, compared, labels, distance, labelling)) for label in found[:MOST_LABELS]],
        len(found),
        [_picture(compared[number], labelling, f"{distance[number]:.1f} spreads away") for number in farthest],
        int(np.isfinite(distance).sum()),
        [_evidence(entry, conventions) for entry in entries[:QUARANTINED]],
        len(entries),
    )


def _usual(
    label: str,
    sample: SpectraSample,
    compared: Sequence[SampledSpectrum],
    labels: Sequence[str],
    distance: NDArray[np.float64],
    labelling: Labelling,
) -> list[Picture]:
    """Return those nearest to their label's median; where there is none, the first by name."""
    alike = [number for number, other in enumerate(labels) if other == label]
    nearest = sorted(alike, key=lambda number: (np.nan_to_num(distance[number], nan=0.0), number))[:USUAL]
    chosen = [compared[number] for number in nearest]
    chosen = chosen or [one for one in sample.spectra if one.labelled.label == label][:USUAL]
    return [_picture(one, labelling) for one in chosen]


def _picture(sampled: SampledSpectrum, labelling: Labelling, remark: str = "") -> Picture:
    observation, stored = sampled.observation, sampled.stored
    label = f"label {labelling.named(sampled.labelled.label)}" if sampled.labelled.label else ""
    title = plain_line(observation.object_name, 48)
    details = "; ".join(part for part in (remark, plain_line(label, 60), observation.when) if part)
    try:
        curve = _curve(read_stored(stored))
    except DamagedError as error:  # it was sound when the sample was read: another program changes files here
        return Picture(title, stored.name, stored.did, None, details, str(error))
    return Picture(title, stored.name, stored.did, curve, details)


def _curve(spectrum: Spectrum) -> Curve | None:
    wave = angstroms(spectrum)
    order = np.argsort(wave, kind="stable")
    return Curve.of(wave[order], spectrum.flux[order], observation_of(spectrum).h_alpha)


def _quarantine_order(entry: Path, missing: Collection[str]) -> tuple[bool, float, str]:
    """Sort first the bodies of spectra that are still missing, the latest first.

    Last what has vanished since.
    """
    stored = entry.stem.rpartition(".")[0] not in missing
    try:
        return stored, -entry.stat().st_mtime, entry.name
    except OSError:
        return True, 0.0, entry.name


def _evidence(entry: Path, conventions: FileConventions) -> Picture:
    """Return a quarantined body: as a curve if it is a spectrum at all, else with the reason."""
    record, body = _parsed(entry.read_bytes() if entry.exists() else b""), _body_of(entry)
    name, _, kind = entry.stem.rpartition(".")
    reason = plain_line(str(record.get("detail", "")), 240)
    kept = plain_line(str(record.get("kept", "")))[:16].replace("T", " ")
    try:
        curve = _curve(read_spectrum(body, conventions))
    except InvalidSpectrumError:
        curve = None
    details = [reason] if curve else [f"{plural(len(body), 'byte')}" if body else "no body was kept"]
    return Picture(name, kind, plain_line(str(record.get("id", "")), 120), curve, ", ".join([*details, kept]), reason)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _body_of(entry: Path) -> bytes:
    body = entry.with_suffix(".body")
    return body.read_bytes() if body.is_file() and body.stat().st_size <= _LARGEST_BODY else b""


def distances(rows: Rows, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return each row's mean distance from its label's median, in typical spreads.

    NaN where the label has too few.
    """
    label_of = np.array(labels, dtype=str)
    found = np.full(len(rows), np.nan)
    for label in sorted(set(labels)):
        alike = np.flatnonzero(label_of == label)
        if alike.size >= LEAST:
            found[alike] = mean_distance([rows[alike]])
    return found


def mean_distance(blocks: Iterable[NDArray[np.floating[Any]]]) -> NDArray[np.float64]:
    """Return each row's mean distance from the median of every column, in its typical spreads.

    ``blocks``: the columns, some at a time, shape (rows, columns) each.
    """
    total, number = np.zeros(()), 0
    for block in blocks:
        number += block.shape[1]
        distance = np.abs(block - np.median(block, axis=0))
        spread = np.maximum(1.4826 * np.median(distance, axis=0), _LEAST_SPREAD)
        total = total + np.minimum(distance / spread, _FARTHEST).sum(axis=1, dtype=np.float64)
    return total / number
