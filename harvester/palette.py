"""The colours of the dashboard, of the report and of every plot, by their role.

They are those of Okabe and Ito, which people with any kind of colour vision can distinguish, darkened or lightened for
contrast with a light and a dark background. A colour is never the only sign: a word or a shape says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Colours:
    """The colour of each role on one background, as ``#rrggbb``.

    ink: spectra and all that is measured. mark: H-alpha. good, care, bad: outcomes. text, quiet (small print), rule
    (lines that only help the eye), page, card (boxes on the page), trouble (behind the text that replaces a picture).
    """

    ink: str
    mark: str
    good: str
    care: str
    bad: str
    text: str
    quiet: str
    rule: str
    page: str
    card: str
    trouble: str


LIGHT = Colours(
    ink="#0b3c5d",
    mark="#d55e00",
    good="#00704f",
    care="#8a5a00",
    bad="#b3261e",
    text="#1a1a1a",
    quiet="#5f5f5f",
    rule="#c8c8c8",
    page="#faf9f7",
    card="#ffffff",
    trouble="#f4f1ec",
)
DARK = Colours(
    ink="#8ecbf2",
    mark="#f4934b",
    good="#4cc9a0",
    care="#f0b840",
    bad="#ff8a80",
    text="#e9e9e6",
    quiet="#a3a8ad",
    rule="#3d444b",
    page="#0f1418",
    card="#171e24",
    trouble="#22292f",
)

TERMINAL: Mapping[str, str] = {
    "green": "#1a9e76",
    "yellow": "#c98a00",
    "red": "#e0523f",
    "cyan": "#3a96c9",
    "blue": "#3f7fc4",
}
"""The roles good, care, bad and ink (twice) on a terminal, whose background is unknown: visible on light and dark."""


def css_variables(colours: Colours) -> str:
    """Return the declarations that name each colour by its role, like ``--ink:#0b3c5d;``."""
    return "".join(f"--{field.name}:{getattr(colours, field.name)};" for field in fields(colours))
