"""Draw the sky in Mollweide's equal-area projection, right ascension to the left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...formatting import plural
from ...plots.sparkline import line
from ..html import Markup, element

Floats = NDArray[np.float64]

HALF_WIDTH, HALF_HEIGHT = 180.0, 90.0
MOST_DOTS = 8_000
_MARGIN = 12.0
# From galactic to equatorial coordinates, ICRS (Hipparcos, ESA 1997, volume 1, section 1.5.3): rows x, y, z.
_GALACTIC = np.array(
    [
        [-0.0548755604, 0.4941094279, -0.8676661490],
        [-0.8734370902, -0.4448296300, -0.1980763734],
        [-0.4838350155, 0.7469822445, 0.4559837762],
    ]
)


def mollweide(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Project degrees to x in -180..180 (24 h on the left) and y in -90..90 (south positive)."""
    latitude = np.radians(dec)
    theta = latitude.copy()
    for _ in range(12):
        slope = 2 + 2 * np.cos(2 * theta)
        theta -= (2 * theta + np.sin(2 * theta) - np.pi * np.sin(latitude)) / np.maximum(slope, 1e-6)
        theta = np.clip(theta, -np.pi / 2, np.pi / 2)
    return (180 - ra) * np.cos(theta), -HALF_HEIGHT * np.sin(theta)


def sky_map(positions: Sequence[tuple[float, float]]) -> Markup:
    """Draw ``positions`` (RA, Dec in degrees) as dots, larger where there are more."""
    wide, high = HALF_WIDTH + _MARGIN, HALF_HEIGHT + _MARGIN
    parallels = [_along(np.linspace(0, 360, 73), np.full(73, dec)) for dec in range(-60, 90, 30)]
    meridians = [_along(np.full(61, ra), np.linspace(-90, 90, 61)) for ra in range(60, 360, 60)]
    return element(
        "svg",
        element("title", "Where on the sky the spectra were taken"),
        element("desc", _description(positions)),
        element("ellipse", cx="0", cy="0", rx=HALF_WIDTH, ry=HALF_HEIGHT, class_="sky"),
        [element("path", d=path, class_="rule") for path in (*parallels, *meridians)],
        element("path", d=_milky_way(), class_="milky-way"),
        _dots(positions),
        [_label(f"{ra // 15} h", ra, 0, "middle") for ra in (60, 120, 180, 240, 300)],
        [_label(f"{dec:+d}° ", 360, dec, "end") for dec in (-60, -30, 30, 60)],
        class_="skymap", role="img", viewBox=f"{-wide:g} {-high:g} {2 * wide:g} {2 * high:g}",
    )  # fmt: skip


def _label(text: str, ra: float, dec: float, anchor: str) -> Markup:
    x, y = mollweide(np.array([float(ra)]), np.array([float(dec)]))
    return element("text", text, x=float(x[0]), y=float(y[0]) - 2, class_="tick", text_anchor=anchor)


def _along(ra: Floats, dec: Floats) -> str:
    return line(*mollweide(ra, dec), digits=1)


def _milky_way() -> str:
    """Return the galactic equator, from its easternmost point on the map to its westernmost."""
    longitude = np.radians(np.arange(0, 360, 3.0))
    x, y, z = _GALACTIC @ np.array([np.cos(longitude), np.sin(longitude), np.zeros(longitude.size)])
    ra, dec = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(z))
    order = np.argsort(ra)
    return _along(ra[order], dec[order])


def _dots(positions: Sequence[tuple[float, float]]) -> list[Markup]:
    """Return the dots, as lines without length with round ends, one path for each size."""
    if not positions:
        return []
    x, y = mollweide(*np.array(positions, dtype=np.float64).T)
    found = Counter(zip(np.round(x, 1).tolist(), np.round(y, 1).tolist(), strict=True))
    sizes: dict[str, list[str]] = {"few": [], "some": [], "many": []}
    for (left, down), number in sorted(found.items())[:MOST_DOTS]:
        name = "few" if number < 3 else "some" if number < 20 else "many"
        sizes[name].append(f"M{left:g} {down:g}h0")
    return [element("path", d="".join(dots), class_=f"dots {name}") for name, dots in sizes.items() if dots]


def _description(positions: Sequence[tuple[float, float]]) -> str:
    if not positions:
        return "No positions are known."
    ra, dec = np.array(positions).T
    return (
        f"{plural(len(positions), 'position')}, right ascension {ra.min():.1f} to {ra.max():.1f} degrees, declination "
        f"{dec.min():.1f} to {dec.max():.1f} degrees."
    )
