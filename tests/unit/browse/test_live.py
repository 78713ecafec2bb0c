"""A run is followed by what it leaves behind, line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.browse.live import RECENT, EventTail, LiveRun
from harvester.errors import StoreError
from harvester.storage.run_folder import StateFolder


def log_of(state: StateFolder, run: str) -> Path:
    log = state.run(run).events
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def saved(name: str) -> str:
    return json.dumps(
        {"event": "spectrum_saved", "time": "2026-11-30T07:00:00.000Z", "id": f"ivo://x/{name}", "name": name}
    )


def test_whole_lines_are_read_once_in_any_pieces(tmp_path: Path) -> None:
    state = StateFolder.below(tmp_path)
    tail, log = EventTail(state), log_of(state, "20261130T0700")
    written = "".join(f"{saved(name)}\n" for name in "abc").encode()
    seen = []
    for start in range(0, len(written), 7):
        with log.open("ab") as file:
            file.write(written[start : start + 7])
        seen += [event["name"] for event in tail.read()]
    assert seen == ["a", "b", "c"]
    assert tail.read() == []


def test_what_happened_before_is_passed_over_and_the_next_run_is_followed(tmp_path: Path) -> None:
    state = StateFolder.below(tmp_path)
    tail = EventTail(state)
    assert tail.read() == [], "no run yet"
    log_of(state, "20261129T0700").write_text(f"{saved('old')}\n")
    tail.skip()
    assert tail.read() == []
    log_of(state, "20261130T0700").write_text(f"{saved('new')}\nno JSON\n[]\n{saved('newer')}\n")
    (state.runs / "20261201T0700").mkdir()  # a run that has no log yet
    assert [event["name"] for event in tail.read()] == ["new", "newer"]


def test_the_end_of_a_log_is_read_before_the_next_run_is_followed(tmp_path: Path) -> None:
    state = StateFolder.below(tmp_path)
    tail = EventTail(state)
    log_of(state, "20261129T0700").write_text(f"{saved('first')}\n")
    assert [event["name"] for event in tail.read()] == ["first"]
    with log_of(state, "20261129T0700").open("a") as log:
        log.write(f"{saved('last')}\n")
    log_of(state, "20261130T0700").write_text(f"{saved('next')}\n")
    assert [event["name"] for event in tail.read()] == ["last"]
    assert [event["name"] for event in tail.read()] == ["next"]


def test_a_log_that_was_removed_has_nothing_more(tmp_path: Path) -> None:
    state = StateFolder.below(tmp_path)
    tail, log = EventTail(state), log_of(state, "20261129T0700")
    log.write_text(f"{saved('first')}\n")
    assert len(tail.read()) == 1
    log.unlink()
    assert tail.read() == []


def test_a_log_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """The session goes on after it: what a disk refuses may pass."""
    state = StateFolder.below(tmp_path)
    tail, log = EventTail(state), log_of(state, "20261129T0700")
    log.write_text(f"{saved('first')}\n")
    assert len(tail.read()) == 1
    log.unlink()
    log.mkdir()
    with pytest.raises(StoreError, match=r"runs: "):
        tail.read()


def test_the_page_learns_what_changed_and_why_nothing_does(tmp_path: Path) -> None:
    live = LiveRun(tmp_path / "ledger.sqlite")
    paused = {"event": "harvest_paused", "time": None, "reason": "HTTP 503: \x1b[31mMaintenance\x1b[0m"}
    assert live.observe([json.loads(saved("a")), json.loads(saved("a")), paused]) == ["ivo://x/a"]
    assert live.pause == "HTTP 503: Maintenance"
    assert live.recent[1] == {"time": "2026-11-30T07:00:00", "event": "spectrum saved", "text": "a"}
    live.observe([{"event": "harvest_resumed", "reason": "it is back"}] * 2 * RECENT)
    assert live.pause == ""
    assert len(live.recent) == RECENT
    assert live.status() == {"state": "none", "recent": []}


ANYTHING = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["time", "id", "name", "reason", "object", "detail"]), ANYTHING), max_size=5
    )
)
def test_no_event_of_any_form_breaks_it(events: list[dict[str, object]]) -> None:
    live = LiveRun(Path("nowhere"))
    live.observe([{"event": name, **event} for event in events for name in ("spectrum_saved", "harvest_paused", "x")])
    assert all(isinstance(text, str) for one in live.recent for text in one.values())
