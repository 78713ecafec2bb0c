"""One look: the same colours everywhere, and words that can be read on every ground."""

from __future__ import annotations

import io
from dataclasses import asdict

import pytest
from rich.text import Text

from harvester.palette import DARK, LIGHT, TERMINAL, Colours
from harvester.plots import style
from harvester.report.page import stylesheet
from harvester.ui.output_thread import OutputThread
from harvester.ui.terminal import Terminal


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "card", "trouble"])
def test_words_stand_out_from_every_ground(colours: Colours, ground: str) -> None:
    shown = asdict(colours)
    for role in ("text", "quiet", "ink", "good", "care", "bad"):
        assert contrast(shown[role], shown[ground]) >= 4.5, role
    assert contrast(shown["mark"], shown[ground]) >= 3, "lines and large words"


def test_the_terminals_colours_can_be_seen_on_black_and_on_white() -> None:
    for name, colour in TERMINAL.items():
        assert contrast(colour, "#000000") >= 3, name
        assert contrast(colour, "#ffffff") >= 2.7, name


def test_report_and_figures_draw_with_the_same_colours() -> None:
    sheet = stylesheet()
    assert (LIGHT.ink, LIGHT.mark) == (style.INK, style.MARK)
    assert f"--ink:{style.INK};--mark:{style.MARK};" in sheet
    assert f"--ink:{DARK.ink};" in sheet


@pytest.mark.parametrize(("system", "painted"), [("truecolor", "38;2;26;158;118"), ("standard", "32")])
def test_the_dashboard_has_them_where_the_terminal_has_so_many(system: str, painted: str) -> None:
    stream = io.StringIO()
    output = OutputThread(stream)
    Terminal(output, force_terminal=True, color_system=system).print(Text("done", "good.strong"))
    assert output.close()
    assert f"\x1b[1;{painted}mdone" in stream.getvalue()
