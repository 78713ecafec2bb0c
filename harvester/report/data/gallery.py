"""Which spectra to show, and each as a curve: the usual and the most unusual of each label, and what was set aside."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dataset.h_alpha import Rows
from ...dataset.stored_files import DamagedError, read_stored
from ...fits.errors import InvalidSpectrumError
from ...fits.observation import observation_of
from ...fits.reader import read_spectrum
from ...fits.spectrum import Spectrum, angstroms
from ...formatting import plain_line
from ...model.conventions import FileConventions
from ...model.labels import Labelling
from ...storage.interface import Store
from ..svg import Curve
from .sampling import Sample, SampledSpectrum

USUAL = 3  # of each label
MOST_LABELS = 12
UNUSUAL = 9
QUARANTINED = 48
_LARGEST_BODY = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Picture:
    """A spectrum to look at, or (``curve`` is None) why there is none. ``words`` are a server's, or a gate's."""

    title: str
    name: str
    did: str
    curve: Curve | None
    details: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """``usual``: by label. ``compared``: how many spectra unusual ones were looked for among. ``set_aside``: all that
    lies in quarantine, of which ``quarantined`` are shown, the latest first."""

    usual: Sequence[tuple[str, Sequence[Picture]]]
    labels: int
    unusual: Sequence[Picture]
    compared: int
    quarantined: Sequence[Picture]
    set_aside: int


def select_gallery(
    survey: Sample, store: Store, labelling: Labelling, lacking: Collection[str], conventions: FileConventions
) -> Gallery:
    """Choose, read again and draw. StoreError if the disk fails.

    ``lacking``: names of what is still not there; ``conventions``: what files do not say.
    """
    compared = [seen for seen in survey.seen if seen.labelled.row is not None]
    labels = [seen.labelled.label for seen in compared]
    apart = distances(survey.rows, labels)
    found = sorted(set(labels) or {seen.labelled.label for seen in survey.seen})
    told = np.nan_to_num(apart, nan=-1.0)
    most = min(UNUSUAL, -(-int(np.isfinite(apart).sum()) // 4))  # of a handful, not all can be unusual
    farthest = [number for number in np.argsort(-told, kind="stable")[:most] if told[number] > 0]
    entries = sorted((store.state.quarantine).glob("*.json"), key=lambda entry: _standing(entry, lacking))
    return Gallery(
        [(label, _usual(label, survey, compared, labels, apart, labelling)) for label in found[:MOST_LABELS]],
        len(found),
        [_picture(compared[number], labelling, f"{apart[number]:.1f} spreads away") for number in farthest],
        int(np.isfinite(apart).sum()),
        [_evidence(entry, conventions) for entry in entries[:QUARANTINED]],
        len(entries),
    )


def _usual(
    label: str,
    survey: Sample,
    compared: Sequence[SampledSpectrum],
    labels: Sequence[str],
    apart: Any,
    labelling: Labelling,
) -> list[Picture]:
    """Those nearest to their label's median; where there is none, the first by name."""
    alike = [number for number, other in enumerate(labels) if other == label]
    nearest = sorted(alike, key=lambda number: (np.nan_to_num(apart[number], nan=0.0), number))[:USUAL]
    chosen = [compared[number] for number in nearest]
    chosen = chosen or [seen for seen in survey.seen if seen.labelled.label == label][:USUAL]
    return [_picture(seen, labelling) for seen in chosen]


def _picture(seen: SampledSpectrum, labelling: Labelling, more: str = "") -> Picture:
    told = seen.observation
    label = f"label {labelling.named(seen.labelled.label)}" if seen.labelled.label else ""
    title = plain_line(told.object_name, 48)
    details = ", ".join(part for part in (more, plain_line(label, 60), told.when) if part)
    try:
        curve = _curve(read_stored(seen.stored))
    except DamagedError as error:  # it was whole a moment ago: somebody is at work here
        return Picture(title, seen.stored.name, seen.stored.did, None, details, str(error))
    return Picture(title, seen.stored.name, seen.stored.did, curve, details)


def _curve(spectrum: Spectrum) -> Curve | None:
    wave, flux = angstroms(spectrum), spectrum.flux
    order = slice(None, None, -1 if wave.size and wave[0] > wave[-1] else 1)
    return Curve.of(wave[order], flux[order], observation_of(spectrum).h_alpha)


def _standing(entry: Path, lacking: Collection[str]) -> tuple[bool, float, str]:
    """First those of spectra that are still not there, the latest first; what vanishes while we look goes last."""
    had = entry.stem.rpartition(".")[0] not in lacking
    try:
        return had, -entry.stat().st_mtime, entry.name
    except OSError:
        return True, 0.0, entry.name


def _evidence(entry: Path, conventions: FileConventions) -> Picture:
    """One body that is no spectrum of this harvest: as a curve where it is one at all, else in its own words."""
    reason, body = _loaded(entry.read_bytes() if entry.exists() else b""), _body_of(entry)
    name, _, kind = entry.stem.rpartition(".")
    words = plain_line(str(reason.get("detail", "")), 240)
    kept = plain_line(str(reason.get("kept", "")))[:16].replace("T", " ")
    try:
        curve = _curve(read_spectrum(body, conventions))
    except InvalidSpectrumError:
        curve = None
    details = [words] if curve else [f"{len(body):,} bytes" if body else "no body was kept"]
    return Picture(name, kind, plain_line(str(reason.get("id", "")), 120), curve, ", ".join([*details, kept]), words)


def _loaded(text: bytes) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _body_of(entry: Path) -> bytes:
    body = entry.with_suffix(".body")
    return body.read_bytes() if body.is_file() and body.stat().st_size <= _LARGEST_BODY else b""


LEAST = 5  # spectra of one label: of fewer, none is usual


MEANING = (
    "Unusual means far from the median spectrum of the same label: at each wavelength within 40 Å of Hα the distance "
    "is taken in units of the label's typical spread there, no more than 25 of them, and averaged."
)


_LEAST_SPREAD = 0.01  # of the continuum


_FARTHEST = 25.0  # one hot pixel is not what makes a spectrum unusual


def distances(rows: Rows, labels: Sequence[str]) -> NDArray[np.float64]:
    """For each row its mean distance from its label's median, in typical spreads; NaN where the label has too few."""
    told = np.array(labels, dtype=str)
    found = np.full(len(rows), np.nan)
    for label in sorted(set(labels)):
        alike = np.flatnonzero(told == label)
        if alike.size >= LEAST:
            found[alike] = _from_median(rows[alike])
    return found


def _from_median(rows: Rows) -> NDArray[np.float64]:
    apart = np.abs(rows - np.median(rows, axis=0))
    spread = np.maximum(1.4826 * np.median(apart, axis=0), _LEAST_SPREAD)
    mean: NDArray[np.float64] = np.minimum(apart / spread, _FARTHEST).mean(axis=1, dtype=np.float64)
    return mean
