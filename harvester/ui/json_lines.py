"""Events as JSON, one flat object a line: for ``--progress json`` and ``events.jsonl``. The schema is public."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .. import events as ev
from ..events.serialize import moment, to_json
from .output_thread import OutputThread


class JsonLines:
    """Says the logged events. The last line is the caller's, with the summary: ``end`` says it.

    It tells what ``HarvestEnded`` tells and more, so that event has no line of its own. JSON is ASCII here: no stream
    is too narrow for it, and no escape sequence survives in it.
    """

    def __init__(self, outlet: OutputThread) -> None:
        self._outlet = outlet
        self._ended = False

    def __call__(self, event: ev.Event) -> None:
        if not self._ended and not isinstance(event, ev.HarvestEnded):
            self._outlet.write(_line(to_json(event)))

    def end(self, summary: Mapping[str, object], time: float) -> None:
        """Queued however much is waiting; it is out once the outlet is closed."""
        self._ended = True
        name = ev.HarvestEnded.event_name()
        self._outlet.write_final(_line({"event": name, "time": moment(time), "summary": dict(summary)}))


def _line(told: Mapping[str, object]) -> str:
    return json.dumps(told, allow_nan=False) + "\n"
