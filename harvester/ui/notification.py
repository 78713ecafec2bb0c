"""Desktop notifications by escape sequence, for the terminals that have them.

kitty and foot have OSC 99; iTerm2, WezTerm and ghostty have OSC 9.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..formatting import plain_line

TITLE = "harvester"
BY_OSC_99 = ("xterm-kitty", "foot")
BY_OSC_9 = ("iTerm.app", "iTerm2", "WezTerm", "ghostty", "xterm-ghostty", "wezterm")
END = "\x1b\\"


def notification(text: str, environment: Mapping[str, str]) -> str:
    """Return the escape sequence that shows ``text`` on the desktop.

    It is empty where the terminal does not understand it. Inside tmux and screen it is empty too: they do not pass such
    sequences on.
    """
    line = plain_line(text)
    names = [environment.get(name, "") for name in ("TERM", "TERM_PROGRAM", "LC_TERMINAL")]
    if environment.get("TMUX") or environment.get("STY"):
        return ""
    if any(name.startswith(BY_OSC_99) for name in names):
        return f"\x1b]99;i={TITLE}:d=0;{TITLE}{END}\x1b]99;i={TITLE}:p=body;{line}{END}"
    if any(name in BY_OSC_9 for name in names):
        return f"\x1b]9;{TITLE}: {line}{END}"
    return ""
