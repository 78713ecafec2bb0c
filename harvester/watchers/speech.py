"""What a server or a catalogue says, made fit for a terminal: one line, no escapes, nothing that moves a cursor."""

from __future__ import annotations

import re
import unicodedata

LONGEST_SAYING = 300
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: window titles, links, the clipboard
    r"|[\x1bP\x9b]?(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours and cursor movements
    r"|\x1b[ -/]*[0-~]?"  # everything shorter
)


def tame(text: str, longest: int = LONGEST_SAYING) -> str:
    """``text`` as one printable line.

    Category C holds controls, bidirectional overrides and surrogates; Z holds line and paragraph separators.
    """
    short = _ESCAPES.sub(" ", text[: 4 * longest])
    visible = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in short)
    return " ".join(visible.split())[:longest]


def speakable(text: str, encoding: str | None) -> str:
    """``text`` with question marks for what ``encoding`` cannot say."""
    name = encoding or "ascii"
    return text.encode(name, "replace").decode(name, "replace")
