"""A terminal as rich's console, in our colours, written by the output thread."""

from __future__ import annotations

from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.theme import Theme

from ..formatting import encodable
from ..palette import TERMINAL
from .output_thread import OutputThread

SHOW_CURSOR = "\x1b[?25h"

ROLES = {"good": "green", "care": "yellow", "bad": "red", "ink": "cyan", "present": "blue", "busy": "magenta"}
"""The style of each role by its colour's name; ``good.strong`` is the same in bold."""

ASCII = str.maketrans("…·—→╾━─▁▂▃▄▅▆▇", ">-->>#-_.:-=+#")
"""What stands for each glyph where the encoding is not a Unicode one: one cell for one, so that all widths stay."""


def use_palette(console: Console) -> None:
    """Let ``console`` know the styles of all roles: in our colours where it has many.

    The sixteen colours of other terminals are the user's own choice, so there the roles have those, by name.
    """
    colours = TERMINAL if console.color_system in ("256", "truecolor") else {}
    styles = {role: colours.get(name, name) for role, name in ROLES.items()}
    console.push_theme(Theme({**styles, **{f"{role}.strong": f"bold {colour}" for role, colour in styles.items()}}))


class Terminal(Console):
    """A console that writes to an output thread.

    If the reader is gone it raises BrokenPipeError, where rich would end the program.
    """

    def __init__(self, output: OutputThread, **options: Any) -> None:
        super().__init__(file=cast("IO[str]", output), **options)
        self.output = output
        use_palette(self)

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError."""
        raise BrokenPipeError("the reader of the output is gone")


class Encodable:
    """Show ``content`` with the characters of the console's encoding.

    Where that is not a Unicode one, glyphs become ASCII and other letters question marks.
    """

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._content, options):
            text = segment.text.translate(ASCII) if options.ascii_only else segment.text
            yield Segment(encodable(text, options.encoding), segment.style, segment.control)
