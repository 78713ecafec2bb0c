"""Attempts over time, with pauses and slow-downs marked."""

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


def timeline_section(data: ReportData) -> Child:
    """Return two charts over one time axis, and the lists of pauses and slow-downs."""
    timeline = data.timeline
    if not timeline.bins:
        return element("p", "This run sent no request.", class_="note")
    shown = _merged_bins(timeline)
    return [
        _rates(timeline, shown),
        _latencies(timeline, shown),
        _legend(timeline),
        _interruptions(timeline),
        _unreadable(timeline),
    ]


def _merged_bins(timeline: Timeline) -> tuple[float, list[Bin]]:
    """Return the seconds of a bin and the bins, merged until a screen is wide enough for them."""
    merged = max(1, -(-len(timeline.bins) // BINS_SHOWN))
    wide: list[Bin] = []
    for start in range(0, len(timeline.bins), merged):
        wide.append(Bin())
        for one in timeline.bins[start : start + merged]:
            wide[-1].add(one)
    return merged * timeline.width, wide


def _rates(timeline: Timeline, bins_shown: tuple[float, list[Bin]]) -> Markup:
    width, bins = bins_shown
    most = svg.round_up(max(one.attempts for one in bins) / width)
    plot = [
        svg.curve(svg.steps([one.attempts / width for one in bins], most), "area bad"),
        svg.curve(svg.steps([one.saved / width for one in bins], most), "area ink"),
    ]
    busiest = max(one.attempts for one in bins) / width
    return _figure(
        "Attempts that ended, per second",
        f"Spectra and failed attempts by when they ended, in intervals of {duration(width)}.",
        f"Up to {busiest:.3g} ended per second; {plural(timeline.pauses_counted, 'pause')}, "
        f"{plural(sum(timeline.slow_downs.values()), 'slow-down')}.",
        plot,
        timeline,
        bins_shown,
        [(0.5, ""), (1.0, f"{most:g} per second")],
    )


def _latencies(timeline: Timeline, bins_shown: tuple[float, list[Bin]]) -> Child:
    _, bins = bins_shown
    middle, slow = ([one.percentile(share) for one in bins] for share in (0.5, 0.95))
    known = [value for value in slow if value is not None]
    if not known:
        return None
    most = svg.round_up(max(known))
    whole = Bin()
    for one in bins:
        whole.add(one)
    half, late = whole.percentile(0.5) or 0, whole.percentile(0.95) or 0
    return _figure(
        "Seconds for a spectrum",
        "From request slot to verified file on disk: the median (line) and the time that 95 % stay below (area).",
        f"Overall: median {duration(half)}, 95 % within {duration(late)}.",
        [svg.curve(svg.steps([value or 0 for value in slow], most), "area pale"), *_segments(middle, most)],
        timeline,
        bins_shown,
        [(0.5, f"{most / 2:g}"), (1.0, f"{most:g} s")],
    )


def _segments(values: Sequence[float | None], most: float) -> list[Markup]:
    """Return a line through the known values, interrupted where there are none."""
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
    timeline: Timeline,
    bins_shown: tuple[float, list[Bin]],
    up: Sequence[Tick],
) -> Markup:
    width, bins = bins_shown
    length = width * len(bins)

    def at(time: float) -> float:
        return (time - timeline.start) / length

    pauses = [svg.band(at(span.start), at(span.end), "pause", _TALL, _pause(span)) for span in timeline.pauses]
    slowed = [_slowed((number + 0.5) / len(bins)) for number, one in enumerate(bins) if one.slowed]
    times = _times(timeline.start, length)
    drawn = svg.chart(title, f"{caption} {numbers}", _TALL, plot, across=times, up=up, behind=pauses, before=slowed)
    text = element("figcaption", element("strong", title), " ", caption, " ", numbers)
    return element("figure", text, drawn, class_="wide")


def _slowed(at: float) -> Markup:
    return element("text", "▾", x=svg.percent(at), y=TOP - 3, class_="slowed", text_anchor="middle")


def _times(start: float, length: float) -> list[Tick]:
    """Return full hours, minutes or seconds (UT) within the run."""
    days = int(length / _STEPS[-1] / _MOST_TICKS) + 1
    step = next((each for each in _STEPS if length / each <= _MOST_TICKS), _STEPS[-1] * days)
    form = "%d %b" if step >= 86400 else "%H:%M" if step >= 60 else "%H:%M:%S"
    moments = range(math.ceil(start / step) * step, int(start + length) + 1, step)
    return [((at - start) / length, f"{datetime.fromtimestamp(at, UTC):{form}}") for at in moments]


def _pause(span: PauseInterval) -> str:
    return f"{duration(span.end - span.start)}, {meaning_of(span.kind)}".rstrip(", ")


def meaning_of(kind: str) -> str:
    """Return the reason of such a pause, or its kind if that is unknown."""
    return PAUSES[Pause(kind)] if kind in set(Pause) else plain_line(kind, 40)


def _legend(timeline: Timeline) -> Markup:
    keys = [("key ink", "spectra"), ("key bad", "failed attempts")]
    keys += [("key pause", "pause: no requests")] if timeline.pauses_counted else []
    items = [element("li", element("span", class_=name), f" {word}") for name, word in keys]
    items += [element("li", element("span", "▾", class_="slowed"), " slowed down")] if timeline.slow_downs else []
    items.append(element("li", "times are UT"))
    return element("ul", items, class_="legend")


def _interruptions(timeline: Timeline) -> Child:
    """Return the pauses one by one, and the slow-downs by reason."""
    tables = []
    if timeline.pauses:
        rows = [
            [f"{datetime.fromtimestamp(span.start, UTC):%H:%M:%S}", _pause(span), plain_line(span.reason, 200)]
            for span in timeline.pauses
        ]
        more = timeline.pauses_counted - len(timeline.pauses)
        foot = f"and {count(more)} more" if more > 0 else ""
        tables.append(table("Pauses", ("from", "how long", "reason"), rows, foot))
    if timeline.slow_downs:
        often = sorted(timeline.slow_downs.items(), key=lambda one: (-one[1], one[0]))
        rows = [[count(times), plain_line(reason, 200)] for reason, times in often[:SLOW_DOWNS]]
        tables.append(table("Slow-downs", ("times", "reason"), rows, ""))
    return tables


def _unreadable(timeline: Timeline) -> Child:
    if not timeline.unreadable:
        return None
    return element("p", f"{plural(timeline.unreadable, 'line')} of the log could not be read.", class_="note")
