"""Draw charts as inline SVG: a plot stretches with the page, its text does not.

Each chart is an SVG without a viewBox, whose x positions are percentages; the curve lies in an inner SVG that is
stretched to it. Colours are classes of style.css.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..formatting import plain_line
from ..plots.sparkline import envelope, line
from .html import Child, Markup, element, joined

Floats = NDArray[np.float64]
Tick = tuple[float, str]
"""A position, as a share of the axis, and its label."""

WIDE, HIGH = 1000, 300  # units of a plot, however large it is shown
TOP, BOTTOM = 16, 22  # pixels for text above and below a plot


@dataclass(frozen=True, slots=True)
class Curve:
    """A spectrum reduced to a small curve, with ``path`` in units of a plot.

    low, high: flux; first, last: Angstrom; mark: position of H-alpha as a share of the axis, None outside.
    """

    path: str
    low: float
    high: float
    first: float
    last: float
    mark: float | None

    @classmethod
    def of(cls, wave: Floats, flux: Floats, h_alpha: float) -> Self | None:
        """Reduce ``flux`` over rising ``wave``, shape (points,) each.

        None if too little of it can be drawn.
        """
        sound = np.isfinite(flux) & np.isfinite(wave)
        wave, flux = wave[sound], flux[sound]
        if wave.size < 2 or not wave[-1] > wave[0]:
            return None
        low, high = float(flux.min()), float(flux.max())
        span = float(wave[-1] - wave[0])
        x, y = envelope((wave - wave[0]) / span, flux)
        path = line(x * WIDE, HIGH - (y - low) / ((high - low) or 1.0) * HIGH)
        mark = (h_alpha - float(wave[0])) / span
        return cls(path, low, high, float(wave[0]), float(wave[-1]), mark if 0 <= mark <= 1 else None)


def steps(values: Sequence[float], most: float) -> str:
    """Return the outline of a histogram that fills the plot's width; ``most`` reaches its top."""
    if not values or most <= 0:
        return ""
    wide = WIDE / len(values)
    drawn = [f"M0 {HIGH}"]
    for number, value in enumerate(values):
        drawn.append(f"V{HIGH - value / most * HIGH:.4g}H{(number + 1) * wide:.6g}")
    return "".join([*drawn, f"V{HIGH}Z"])


def curve(path: str, class_: str) -> Markup:
    """Return a path in the plot, whose line keeps its width however the plot is stretched."""
    return element("path", d=path, class_=class_, vector_effect="non-scaling-stroke")


def chart(
    title: str,
    description: str,
    height: int,
    plot: Child,
    *,
    across: Sequence[Tick] = (),
    up: Sequence[Tick] = (),
    behind: Child = None,
    before: Child = None,
) -> Markup:
    """Return a chart: ``plot`` is stretched over it.

    ``behind`` and ``before`` it are in percent and pixels.
    """
    inner = height - TOP - BOTTOM
    heights = [(TOP + inner * (1 - at), text) for at, text in up]
    rules = [element("line", x1="0", x2="100%", y1=y, y2=y, class_="rule") for y, _ in heights]
    labels = [element("text", text, x="0", y=y - 4, class_="tick") for y, text in heights if text]
    stretched = element(
        "svg", plot, x="0", y=TOP, width="100%", height=inner, viewBox=f"0 0 {WIDE} {HIGH}", preserveAspectRatio="none"
    )
    return element(
        "svg",
        element("title", title), element("desc", description), behind, rules, stretched, before, labels,
        element("line", x1="0", x2="100%", y1=TOP + inner, y2=TOP + inner, class_="axis"),
        [_below(at, text, height, number % 2 == 1 and at < 1) for number, (at, text) in enumerate(across)],
        class_="chart", role="img", width="100%", height=height,
    )  # fmt: skip


def _below(at: float, text: str, height: int, minor: bool) -> Markup:
    anchor = "start" if at < 0.03 else "end" if at > 0.97 else "middle"
    name = "tick minor" if minor else "tick"
    return element("text", text, x=percent(at), y=height - 6, class_=name, text_anchor=anchor)


def percent(share: float) -> str:
    """Return a share as an SVG length."""
    return f"{100 * share:.5g}%"


def upright(at: float, class_: str, height: int, text: str = "") -> Markup:
    """Return a vertical line at a share of the width, with a label beside its upper end."""
    left = at > 0.8
    label = element(
        "text", text, x=percent(at), dx=-4 if left else 4, y=11, class_=f"{class_}-word",
        text_anchor="end" if left else "start",
    )  # fmt: skip
    drawn = element("line", x1=percent(at), x2=percent(at), y1=2, y2=height - BOTTOM, class_=class_)
    return joined(drawn, label if text else None)


def band(start: float, end: float, class_: str, height: int, text: str) -> Markup:
    """Return an interval marked from top to bottom, at least so wide that it is visible."""
    wide = max(end - start, 0.003)
    return element(
        "rect", element("title", text), x=percent(start), y=TOP, width=percent(wide), height=height - TOP - BOTTOM,
        class_=class_,
    )  # fmt: skip


def spectrum(drawn: Curve, name: str, height: int = 150) -> Markup:
    """Draw one spectrum, with H-alpha marked."""
    title = f"Spectrum of {plain_line(name, 80)}"
    extent = f"{drawn.first:.0f} to {drawn.last:.0f} Å"
    flux = f"flux {short(drawn.low)} to {short(drawn.high)}"
    h_alpha = "Hα is marked" if drawn.mark is not None else "Hα is outside"
    mark = None if drawn.mark is None else upright(drawn.mark, "mark", height, "Hα")
    ends = [(0.0, f"{drawn.first:.0f}"), (1.0, f"{drawn.last:.0f} Å")]
    description = f"{extent}, {flux}; {h_alpha}."
    return chart(title, description, height, curve(drawn.path, "flux"), across=ends, behind=mark)


def short(number: float) -> str:
    """Return a number with three digits, as people write it."""
    return f"{number:.2f}" if 0.1 <= abs(number) < 10 else f"{number:.3g}"


def round_up(most: float) -> float:
    """Return the next of 1, 1.5, 2, 3, ... 10, 15, ... that is not below ``most``."""
    if most <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if power * step >= most * 0.999)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers between ``low`` and ``high``, at most ``most`` + 1 of them."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [step * number for number in range(first, math.floor(high / step + 1e-9) + 1)]


def shares(values: Iterable[float], low: float, high: float) -> list[float]:
    """Return where ``values`` are between ``low`` (0) and ``high`` (1)."""
    span = (high - low) or 1.0
    return [(value - low) / span for value in values]
