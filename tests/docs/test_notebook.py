"""The library in a genuine notebook: Jupyter's own kernel, whose loop is running while a cell does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

import harvester
from tests.support.harvests import leftovers

PATIENCE = 120  # seconds for the kernel to say something


class Notebook:
    """A kernel that runs cells in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.manager, self.client = start_new_kernel(startup_timeout=PATIENCE, cwd=str(folder))

    def run(self, cell: str, stop_at: str = "") -> dict[str, str]:
        """What the cell printed, shows and raised. The stop button is pressed once ``stop_at`` has been printed."""
        asked, told = self.client.execute(cell), {"stream": "", "execute_result": "", "error": ""}
        stopped = not stop_at
        while True:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=PATIENCE)
            content, kind = message["content"], message["msg_type"]
            if message["parent_header"].get("msg_id") != asked:
                continue
            match kind:
                case "stream":
                    told[kind] += content["text"]
                case "execute_result":
                    told[kind] = content["data"]["text/html"]
                case "error":
                    told[kind] = content["ename"]
                case "status" if content["execution_state"] == "idle":
                    return told
            if not stopped and stop_at in told["stream"]:
                stopped = True
                self.manager.interrupt_kernel()


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    started = Notebook(tmp_path_factory.mktemp("notebook"))
    started.run("import harvester; from harvester.demo import listed_dids; dids = list(listed_dids(8))")
    try:
        yield started
    finally:
        started.client.stop_channels()
        started.manager.shutdown_kernel(now=True)


CALLS = ("await harvester.harvest", "harvester.harvest_sync")


@pytest.mark.parametrize("call", CALLS)
def test_a_cell_shows_what_the_harvest_does_and_what_came_of_it(notebook: Notebook, call: str, tmp_path: Path) -> None:
    told = notebook.run(f'{call}(dids, archive="demo", rate=0, first_wait=0.01, out="{tmp_path}", progress="auto")')
    assert "8 in the catalog, 0 already stored" in told["stream"]
    assert "<strong>8 spectra of 8 in the catalog</strong> in <code>" in told["execute_result"]
    assert not told["error"]


@pytest.mark.parametrize(("call", "error"), list(zip(CALLS, ("CancelledError", "KeyboardInterrupt"), strict=True)))
def test_the_stop_button_drains(notebook: Notebook, call: str, error: str, tmp_path: Path) -> None:
    told = notebook.run(f'{call}(archive="demo", rate=5, out="{tmp_path}", progress="auto")', stop_at="300 in the")
    assert "draining: stopped by its caller" in told["stream"]
    assert told["error"] == error
    begun = harvester.open_harvest(tmp_path)
    assert begun.exit_code == 130
    assert len(begun) == len(list(tmp_path.glob("*.fits"))) < 300
    assert not leftovers(tmp_path)
