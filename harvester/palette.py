"""One look for all that people see: the colours of the dashboard, of the report and of every figure, by their role.

They are Okabe and Ito's, told apart by all kinds of eyes, darkened or lightened to stand out on paper and at night. A
colour never speaks alone: a word or a shape says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colours:
    """What each role looks like on one ground, as ``#rrggbb``.

    ink: spectra and whatever is measured. mark: H-alpha. good, care, bad: how it went. text, quiet (small print), rule
    (lines that only help the eye), page, card (what lies on the page), trouble (behind words in a picture's place).
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
"""The same roles (good, care, bad, ink twice) on a terminal, whose ground nobody knows: between light and dark."""
