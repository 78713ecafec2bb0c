"""Lines of styled text, cut and padded to the cell, and boxes around them.

Drawn here rather than with rich's tables: a frame costs a tenth of the time, every width is known beforehand, and
ASCII is a matter of other glyphs. Text never becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from ..formatting import encodable
from ..palette import TERMINAL

Span = tuple[str, str]  # the text, and a rich style by name
Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a terminal can draw. ``corners`` go clockwise from the top left; ``levels`` rise from nothing to full."""

    corners: str
    across: str
    down: str
    done: str
    edge: str
    left: str
    bar_ends: str
    levels: str
    ellipsis: str
    dot: str
    dash: str
    arrow: str


UNICODE = Glyphs("╭╮╯╰", "─", "│", "━", "╾", "─", "", "▁▂▃▄▅▆▇", "…", "·", "—", "→")
ASCII = Glyphs("++++", "-", "|", "#", ">", "-", "[]", "_.:-=+#", "...", "-", "--", "->")


def glyphs_for(encoding: str | None) -> Glyphs:
    return UNICODE if (encoding or "").lower().replace("-", "").startswith("utf") else ASCII


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def width_of(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def clip(text: str, width: int, glyphs: Glyphs) -> str:
    """``text`` in at most ``width`` cells, with an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return (set_cell_size(text, max(0, width - len(glyphs.ellipsis))).rstrip() + glyphs.ellipsis)[: max(0, width)]


def pad(text: str, width: int, glyphs: Glyphs) -> str:
    """``text`` in exactly ``width`` cells."""
    return set_cell_size(clip(text, width, glyphs), max(0, width))


def fit(line: Line, width: int, glyphs: Glyphs) -> Line:
    """``line`` in exactly ``width`` cells."""
    missing = width - width_of(line)
    if missing >= 0:
        return (*line, (" " * missing, "")) if missing else line
    kept: list[Span] = []
    for text, style in line:
        kept.append((clip(text, width, glyphs), style))
        width -= cell_len(kept[-1][0])
        if kept[-1][0] != text:
            break
    return (*kept, (" " * max(0, width), ""))


def justify(left: Line, right: Line, width: int, glyphs: Glyphs) -> Line:
    """``left`` and ``right`` at the two ends of ``width`` cells; ``left`` gives way."""
    room = width - width_of(right)
    if room < 4:
        return fit(left, width, glyphs)
    return (*fit(left, room - 1, glyphs), (" ", ""), *right)


def box(title: Line, lines: Sequence[Line], width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """``height`` lines in a frame, ``width`` cells wide in all; missing ones are blank."""
    top_left, top_right, bottom_right, bottom_left = tuple(glyphs.corners)
    inner, edge = width - 4, "dim"
    name = fit(title, min(width_of(title), width - 6), glyphs)
    rule = glyphs.across * (width - 5 - width_of(name))
    framed: list[Line] = [((f"{top_left}{glyphs.across} ", edge), *name, (f" {rule}{top_right}", edge))]
    for line, _ in zip_longest(lines[:height], range(height), fillvalue=()):
        body: Line = line or ()
        framed.append(((f"{glyphs.down} ", edge), *fit(body, inner, glyphs), (f" {glyphs.down}", edge)))
    framed.append(((bottom_left + glyphs.across * (width - 2) + bottom_right, edge),))
    return framed


def beside(left: Sequence[Line], right: Sequence[Line]) -> list[Line]:
    """Two boxes of one height, next to each other."""
    return [(*one, *other) for one, other in zip(left, right, strict=True)]


class Drawing:
    """Lines as something that rich prints, and that only says what the encoding has."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._segments(options.encoding, console.color_system in ("256", "truecolor"))

    def _segments(self, encoding: str, many_colours: bool) -> Iterator[Segment]:
        for line in self._lines:
            for text, style in line:
                yield Segment(encodable(text, encoding), _painted(style, many_colours) if style else None)
            yield Segment.line()


@lru_cache
def _painted(style: str, many_colours: bool) -> Style:
    """The style in our own colours, where the terminal has them; sixteen colours are the user's own, by name."""
    return Style.parse(" ".join(TERMINAL.get(word, word) for word in style.split()) if many_colours else style)
