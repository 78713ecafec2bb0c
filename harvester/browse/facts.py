"""Say all that is known of one spectrum, as the page shows it.

Text from servers becomes plain lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..fits.cards import Cards
from ..fits.observation import Observation, observation_of
from ..fits.spectrum import Spectrum, angstroms
from ..formatting import count, plain_line, plural
from ..ledger.values import failure_kind
from ..plots.panel import Panel

MOST_CARDS = 2000  # of one header
MOST_NAMED = 12  # labellers in one sentence
_TEXTS = ("HIERARCH", "COMMENT", "HISTORY")  # cards whose text is shown as it is, behind the others


def of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the ledger knows of a spectrum."""
    unusual = json.loads(row["remarks"]) if row["remarks"] else {}
    remarks = [plain_line(str(one)) for one in unusual.get("remarks", ())]
    if unusual.get("level", "science") != "science":
        remarks.append("no reader finds a spectrum in it; only its structure was verified")
    if unusual.get("invalid"):
        remarks.append(f"{plural(unusual['invalid'], 'point has', 'points have')} no finite flux")
    names = ("number", "did", "name", "object", "status", "label", "mine", "mjd", "ra", "dec", "doubt", "unusual")
    return {
        **{name: plain_line(value) if isinstance(value := row[name], str) else value for name in names},
        "bytes": row["bytes"],
        "points": row["points"],
        "attempts": row["attempts"],
        "remarks": remarks,
        "failure": _failure(row) if row["status"] == "failed" else None,
    }


def _failure(row: Mapping[str, Any]) -> dict[str, str]:
    kind = failure_kind(row["kind"])
    return {
        "kind": kind.value,
        "meaning": kind.meaning,
        "advice": kind.advice,
        "detail": plain_line(row["detail"] or "", 400),
    }


def of_file(spectrum: Spectrum) -> dict[str, Any]:
    """Return what the file itself says: observation, remarks and header cards."""
    observation: Observation = observation_of(spectrum)
    return {
        "when": observation.when,
        **{name: value for name in ("mjd", "ra", "dec") if (value := getattr(observation, name)) is not None},
        "exposure": observation.exposure,
        "medium": observation.medium,
        "hAlpha": observation.h_alpha,
        "segments": len(spectrum.segments),
        "notes": [plain_line(remark) for remark in (*spectrum.remarks, *observation.remarks)],
        "cards": [*_cards("primary", spectrum.primary), *_cards("table", spectrum.table)],
    }


def _cards(part: str, header: Cards) -> Iterator[tuple[str, str, str, str]]:
    """Yield part, keyword, value and comment of each card."""
    for keyword in list(header)[:MOST_CARDS]:
        yield part, plain_line(keyword), plain_line(str(header[keyword]), 400), plain_line(header.comment(keyword))
    for keyword in _TEXTS:
        for field in header.fields(keyword)[:MOST_CARDS]:
            yield part, keyword, plain_line(field.decode("latin-1")), ""


def flux_label(spectrum: Spectrum, fluxcalib: str | None) -> str:
    """Return what the flux axis is called."""
    return Panel(fluxcalib, spectrum).flux_label


def requested_fluxcalib(request: str | None) -> str | None:
    """Return the FLUXCALIB in a harvest's request key, None if it was omitted."""
    found = re.search(r"FLUXCALIB=([^,]+)", request or "")
    return found[1] if found else None


def arrays(spectrum: Spectrum) -> bytes:
    """Return the curve for the page.

    Number of points and segments, length of each segment (uint32), then wave and flux (float64). All little-endian,
    padded to 8 bytes before the arrays; wave in Angstrom, rising within each segment.
    """
    wave, flux = angstroms(spectrum), np.asarray(spectrum.flux, np.float64)
    lengths = [part.stop - part.start for part in spectrum.segments]
    order = np.concatenate([part.start + _rising(wave[part]) for part in spectrum.segments])
    head = np.array([wave.size, len(lengths), *lengths], "<u4").tobytes()
    parts: list[bytes] = [head, bytes(-len(head) % 8), *(each[order].astype("<f8").tobytes() for each in (wave, flux))]
    return b"".join(parts)


def _rising(wave: Any) -> Any:
    return np.argsort(wave, kind="stable")


def reasons(
    facts: Mapping[str, Any], labels: Mapping[str, str], votes: Mapping[str, int], names: Mapping[str, str]
) -> Sequence[str]:
    """Return why a spectrum is doubtful: who says what, and what its neighbours are.

    names: what labels mean, by label.
    """
    named = {label: plain_line(f"{label} {names.get(label, '')}") for label in {*labels.values(), *votes}}
    found = []
    if len(set(labels.values())) > 1:
        said = [f"{name} says {named[label]}" for name, label in list(labels.items())[:MOST_NAMED]]
        more = len(labels) - len(said)
        found.append("labelled differently: " + ", ".join(said) + (f" and {count(more)} more" if more else ""))
    if facts["doubt"] and votes:
        all_votes = count(sum(votes.values()))
        tally = ", ".join(f"{named[label]} ({count(votes[label])} of {all_votes})" for label in sorted(votes))
        found.append(f"labels of the nearest spectra: {tally}")
    return [*found, *facts["remarks"]]
