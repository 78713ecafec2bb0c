"""The coverage of the spectra: wavelengths, dates and sky."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ...fits.observation import H_ALPHA_AIR, moment
from ...formatting import plural
from .. import svg
from ..data.report_data import ReportData
from ..data.sampling import RANGE_STEP
from ..html import Child, Markup, element
from ..svg import Tick
from .sky_map import sky_map

_TALL = 170
_BINS = 240


def coverage(data: ReportData) -> Child:
    """Return up to three pictures, of what is known."""
    drawn = [_wavelengths(data), _dates(data), _sky(data)]
    return drawn if any(drawn) else element("p", "No spectrum is stored yet.", class_="note")


def _wavelengths(data: ReportData) -> Child:
    """Return how many spectra cover each wavelength."""
    ranges = data.sample.ranges
    if not ranges:
        return None
    low, high = (unit * RANGE_STEP * 1e10 for unit in (min(r[0] for r in ranges), max(r[1] for r in ranges)))
    edges = np.linspace(low, high, _BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    number = np.zeros(_BINS)
    for first, last, spectra in ranges:
        number += spectra * ((middles >= first * RANGE_STEP * 1e10) & (middles <= last * RANGE_STEP * 1e10))
    most = svg.round_up(float(number.max()))
    share = (H_ALPHA_AIR - low) / ((high - low) or 1)
    mark = svg.upright(share, "mark", _TALL, "Hα") if 0 <= share <= 1 else None
    shortest, longest = min(r[1] - r[0] for r in ranges), max(r[1] - r[0] for r in ranges)
    lengths = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    summary = f"{low:.0f} to {high:.0f} Å in all; single spectra cover {lengths} Å."
    ticks = [(at, f"{value:g}{' Å' if n == 0 else ''}") for n, (at, value) in enumerate(_ticks(low, high))]
    plot = svg.curve(svg.steps(number.tolist(), most), "area ink")
    drawn = svg.chart("Wavelengths", summary, _TALL, plot, across=ticks, up=_up(most), before=mark)
    return _figure("Wavelengths", f"Number of spectra that cover each. {summary}", drawn)


def _ticks(low: float, high: float) -> list[tuple[float, float]]:
    values = svg.round_ticks(low, high)
    return list(zip(svg.shares(values, low, high), values, strict=True))


def _up(most: float) -> list[Tick]:
    return [(0.5, ""), (1.0, f"{most:g} spectra")]


def _dates(data: ReportData) -> Child:
    """Return when they were taken, by year, or by month if all were taken within three years."""
    days = [one.observation.mjd for one in data.sample.spectra if one.observation.mjd is not None]
    if not days:
        return None
    first, last = moment(min(days)), moment(max(days))
    by_month = last.year - first.year < 3
    taken = Counter((when.year * 12 + when.month - 1) if by_month else when.year for when in map(moment, days))
    low, high = min(taken), max(taken)
    values = [taken.get(each, 0) for each in range(low, high + 1)]
    most = svg.round_up(max(values))
    every = max(1, -(-len(values) // 7))
    ticks = [((n + 0.5) / len(values), _named(low + n, by_month)) for n in range(0, len(values), every)]
    busiest = _named(low + values.index(max(values)), by_month)
    summary = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}; most in {busiest}."
    plot = svg.curve(svg.steps(values, most), "area ink")
    drawn = svg.chart("Dates", summary, _TALL, plot, across=ticks, up=_up(most))
    return _figure("Dates", f"When they were taken, by {'month' if by_month else 'year'} (from TMID). {summary}", drawn)


def _named(number: int, by_month: bool) -> str:
    return f"{number // 12}-{number % 12 + 1:02d}" if by_month else str(number)


def _sky(data: ReportData) -> Child:
    placed = [
        (one.observation.ra, one.observation.dec)
        for one in data.sample.spectra
        if one.observation.ra is not None and one.observation.dec is not None
    ]
    if not placed:
        return None
    stars = len({one.observation.object_name for one in data.sample.spectra if one.observation.object_name})
    positions = plural(len(placed), "position")
    summary = f"{positions} of {plural(stars, 'object')} by name; the dashed line is the Milky Way."
    return _figure("Sky", f"Mollweide's equal-area map, north up, east to the left. {summary}", sky_map(placed))


def _figure(title: str, caption: str, drawn: Markup) -> Markup:
    return element("figure", element("figcaption", element("strong", title), " ", caption), drawn, class_="wide")
