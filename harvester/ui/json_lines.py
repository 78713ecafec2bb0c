"""Progress as JSON: one event a line, for scripts. The schema is public."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .. import events as ev
from ..events.serialize import moment, to_json
from .output_thread import OutputThread


class JsonLines:
    """Write the logged events; ``end`` writes the last line, with the summary.

    That line has all of ``HarvestEnded`` and more, so that event has no line of its own. JSON is ASCII here: every
    encoding has it, and no escape sequence survives in it.
    """

    def __init__(self, output: OutputThread) -> None:
        self._output = output
        self._ended = False

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        if not self._ended and not isinstance(event, ev.HarvestEnded):
            self._output.write(_line(to_json(event)))

    def end(self, summary: Mapping[str, object], time: float) -> None:
        """Queue the last line, however much is waiting; it is written once the output is closed."""
        self._ended = True
        name = ev.HarvestEnded.event_name()
        self._output.write_final(_line({"event": name, "time": moment(time), "summary": dict(summary)}))


def _line(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, allow_nan=False) + "\n"
