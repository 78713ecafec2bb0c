"""The night: what was asked and answered over time, with pauses and slow-downs marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from ...events import Pause
from ...events.politeness import PauseInterval
from ...formatting import count, duration, plain_line, plural
from ...ui.summary import PAUSES
from .. import svg
from ..data.report_data import ReportData
from ..data.timeline import Bin, Timeline
from ..html import Child, Markup, element, table
from ..svg import HIGH, TOP, WIDE, Tick

_TALL = 210  # pixels
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_TICKS = 6
BINS_SHOWN = 200
SLOW_DOWNS = 8  # reasons


def traffic(material: ReportData) -> Child:
    """Two charts over one time axis, and what held the harvest up."""
    night = material.night
    if not night.bins:
        return element("p", "The archive was not asked for anything in this run.", class_="note")
    gathered = _gathered(night)
    return [_rates(night, gathered), _latencies(night, gathered), _legend(night), _holdups(night), _unreadable(night)]


def _gathered(night: Timeline) -> tuple[float, list[Bin]]:
    """Bins wide enough for a screen: seconds of each, and what is in it."""
    together = max(1, -(-len(night.bins) // BINS_SHOWN))
    wide: list[Bin] = []
    for start in range(0, len(night.bins), together):
        wide.append(Bin())
        for one in night.bins[start : start + together]:
            wide[-1].absorb(one)
    return together * night.width, wide


def _rates(night: Timeline, gathered: tuple[float, list[Bin]]) -> Markup:
    width, bins = gathered
    most = svg.round_up(max(one.attempts for one in bins) / width)
    plot = [
        svg.curve(svg.steps([one.attempts / width for one in bins], most), "area bad"),
        svg.curve(svg.steps([one.saved / width for one in bins], most), "area ink"),
    ]
    busiest = max(one.attempts for one in bins) / width
    return _figure(
        "Attempts that ended, a second",
        f"Spectra and failed attempts by when they ended, in stretches of {duration(width)}.",
        f"Up to {busiest:.3g} ended in a second; {plural(night.pauses_counted, 'pause')}, "
        f"{plural(sum(night.slow_downs.values()), 'slow-down')}.",
        plot,
        night,
        gathered,
        [(0.5, ""), (1.0, f"{most:g} a second")],
    )


def _latencies(night: Timeline, gathered: tuple[float, list[Bin]]) -> Child:
    _, bins = gathered
    middle, slow = ([one.percentile(share) for one in bins] for share in (0.5, 0.95))
    known = [value for value in slow if value is not None]
    if not known:
        return None
    most = svg.round_up(max(known))
    whole = Bin()
    for one in bins:
        whole.absorb(one)
    half, late = whole.percentile(0.5) or 0, whole.percentile(0.95) or 0
    return _figure(
        "Seconds for a spectrum",
        "From its turn to its verified file on disk: the median (line) and what 95 % of the spectra stay below (area).",
        f"In all: median {duration(half)}, 95 % within {duration(late)}.",
        [svg.curve(svg.steps([value or 0 for value in slow], most), "area pale"), *_segments(middle, most)],
        night,
        gathered,
        [(0.5, f"{most / 2:g}"), (1.0, f"{most:g} s")],
    )


def _segments(values: Sequence[float | None], most: float) -> list[Markup]:
    """A line through what is known; where nothing is, it is interrupted."""
    wide = WIDE / len(values)
    drawn, path = [], ""
    for number, value in enumerate([*values, None]):
        if value is not None:
            y = HIGH - value / most * HIGH
            path += f"{'L' if path else 'M'}{number * wide:.5g} {y:.4g}H{(number + 1) * wide:.5g}"
        elif path:
            drawn.append(path)
            path = ""
    return [svg.curve("".join(drawn), "flux")] if drawn else []


def _figure(
    title: str,
    caption: str,
    numbers: str,
    plot: Child,
    night: Timeline,
    gathered: tuple[float, list[Bin]],
    up: Sequence[Tick],
) -> Markup:
    width, bins = gathered
    length = width * len(bins)

    def at(time: float) -> float:
        return (time - night.start) / length

    pauses = [svg.band(at(span.start), at(span.end), "pause", _TALL, _pause(span)) for span in night.pauses]
    slowed = [_slowed((number + 0.5) / len(bins)) for number, one in enumerate(bins) if one.slowed]
    times = _times(night.start, length)
    told = f"{caption} {numbers}"
    drawn = svg.chart(title, told, _TALL, plot, across=times, up=up, behind=pauses, before=slowed)
    words = element("figcaption", element("strong", title), " ", caption, " ", numbers)
    return element("figure", words, drawn, class_="wide")


def _slowed(at: float) -> Markup:
    return element("text", "▾", x=svg.percent(at), y=TOP - 3, class_="slowed", text_anchor="middle")


def _times(start: float, length: float) -> list[Tick]:
    """Full hours, minutes or seconds (UT) within the night."""
    days = int(length / _STEPS[-1] / _MOST_TICKS) + 1
    step = next((each for each in _STEPS if length / each <= _MOST_TICKS), _STEPS[-1] * days)
    form = "%d %b" if step >= 86400 else "%H:%M" if step >= 60 else "%H:%M:%S"
    moments = range(math.ceil(start / step) * step, int(start + length) + 1, step)
    return [((at - start) / length, f"{datetime.fromtimestamp(at, UTC):{form}}") for at in moments]


def _pause(span: PauseInterval) -> str:
    return f"{duration(span.end - span.start)} {meaning_of(span.kind)}".strip()


def meaning_of(kind: str) -> str:
    """Why such a pause is made, where we know its kind."""
    return PAUSES[Pause(kind)] if kind in set(Pause) else plain_line(kind, 40)


def _legend(night: Timeline) -> Markup:
    keys = [("key ink", "spectra"), ("key bad", "failed attempts")]
    keys += [("key pause", "nobody asked (a pause)")] if night.pauses_counted else []
    items = [element("li", element("span", class_=name), f" {word}") for name, word in keys]
    items += [element("li", element("span", "▾", class_="slowed"), " slowed down")] if night.slow_downs else []
    items.append(element("li", "times are UT"))
    return element("ul", items, class_="legend")


def _holdups(night: Timeline) -> Child:
    """The pauses one by one, and the slow-downs by reason."""
    tables = []
    if night.pauses:
        rows = [
            [f"{datetime.fromtimestamp(span.start, UTC):%H:%M:%S}", _pause(span), plain_line(span.reason, 200)]
            for span in night.pauses
        ]
        untold = night.pauses_counted - len(night.pauses)
        tables.append(table("Pauses", ("from", "how long", "why"), rows, f"and {untold} more" if untold > 0 else ""))
    if night.slow_downs:
        often = sorted(night.slow_downs.items(), key=lambda one: (-one[1], one[0]))
        rows = [[count(times), plain_line(why, 200)] for why, times in often[:SLOW_DOWNS]]
        tables.append(table("Slow-downs", ("times", "why"), rows, ""))
    return tables


def _unreadable(night: Timeline) -> Child:
    if not night.unreadable:
        return None
    return element("p", f"{plural(night.unreadable, 'line')} of the log could not be read.", class_="note")
