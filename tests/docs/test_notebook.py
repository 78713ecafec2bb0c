"""The library in a genuine notebook, and the notebooks of the documentation, in Jupyter's own kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel
from nbformat import validate

import harvester
from tests.docs.examples import environment
from tests.docs.pages import DOCS
from tests.support.harvests import leftovers

NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
PATIENCE = 120  # seconds for the kernel to say something


class Notebook:
    """A kernel that runs cells in ``folder``."""

    def __init__(self, folder: Path) -> None:
        variables = environment(folder)
        self.manager, self.client = start_new_kernel(startup_timeout=PATIENCE, cwd=str(folder), env=variables)

    def run(self, cell: str, stop_at: str = "") -> dict[str, str]:
        """What the cell printed, shows, draws and raised. ``stop_at`` is what is printed before the stop button."""
        asked = self.client.execute(cell)
        shown = {"stream": "", "execute_result": "", "display_data": "", "bar": "", "error": ""}
        stopped = not stop_at
        while True:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=PATIENCE)
            content, kind = message["content"], message["msg_type"]
            if message["parent_header"].get("msg_id") != asked:
                continue
            match kind:
                case "stream":
                    shown[kind] += content["text"]
                case "execute_result":
                    shown[kind] = content["data"]["text/html"]
                case "display_data":
                    shown[kind] = content["data"].get("image/png", "")
                    shown["bar"] = content["data"].get("text/html", "")
                case "update_display_data":
                    shown["bar"] = content["data"]["text/html"]
                case "error":
                    shown[kind] = content["ename"]
                case "status" if content["execution_state"] == "idle":
                    return shown
            if not stopped and stop_at in shown["stream"] + shown["bar"]:
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


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_cell_shows_what_the_harvest_does_and_what_came_of_it(notebook: Notebook, call: str, tmp_path: Path) -> None:
    shown = notebook.run(f'{call}(dids, archive="demo", rate=0, first_wait=0.01, out="{tmp_path}", progress="plain")')
    assert "8 in the catalog, 0 already stored" in shown["stream"]
    assert "<strong>8 spectra of 8 in the catalog</strong> in <code>" in shown["execute_result"]
    assert not shown["error"]


@pytest.mark.slow
@pytest.mark.parametrize(("call", "error"), list(zip(CALLS, ("CancelledError", "KeyboardInterrupt"), strict=True)))
def test_the_stop_button_drains(notebook: Notebook, call: str, error: str, tmp_path: Path) -> None:
    shown = notebook.run(f'{call}(archive="demo", rate=5, out="{tmp_path}", progress="plain")', stop_at="300 in the")
    assert "draining: stopped by its caller" in shown["stream"]
    assert shown["error"] == error
    begun = harvester.open_harvest(tmp_path)
    assert begun.exit_code == 130
    assert len(begun) == len(list(tmp_path.glob("*.fits"))) < 300
    assert not leftovers(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_bar_follows_the_harvest_in_place(notebook: Notebook, call: str, tmp_path: Path) -> None:
    shown = notebook.run(f'{call}(dids, archive="demo", rate=0, first_wait=0.01, out="{tmp_path}", progress="auto")')
    assert '<progress max="8" value="8"' in shown["bar"]
    assert "8 of 8 (100 %) · 8 saved" in shown["bar"]
    assert shown["bar"].endswith("<br>complete</div>")
    assert not shown["error"] + shown["stream"]


@pytest.mark.slow
def test_the_bar_says_that_the_stop_button_drains(notebook: Notebook, tmp_path: Path) -> None:
    call = f'harvester.harvest_sync(archive="demo", rate=5, out="{tmp_path}", progress="auto")'
    shown = notebook.run(call, stop_at="of 300 (")
    assert shown["error"] == "KeyboardInterrupt"
    assert "<br>stopped by its caller</div>" in shown["bar"]


# The notebooks of the documentation


def code_cells(name: str) -> list[dict[str, Any]]:
    (path,) = [path for path in NOTEBOOKS if path.stem == name]
    notebook = json.loads(path.read_text(encoding="utf-8"))
    validate(notebook)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_all(notebook: Notebook, name: str) -> dict[str, str]:
    """Run a notebook from its beginning. What its cells printed, showed and drew, one after the other."""
    notebook.run("%reset -f")
    seen = {"stream": "", "execute_result": "", "display_data": ""}
    for cell in code_cells(name):
        shown = notebook.run("".join(cell["source"]))
        assert not shown["error"], (shown["error"], cell["source"], shown["stream"])
        seen = {kind: text + shown[kind] for kind, text in seen.items()}
    return seen


@pytest.mark.slow
def test_a_reader_mirrors_and_looks(notebook: Notebook) -> None:
    seen = run_all(notebook, "mirror-and-look")
    assert "300 spectra of 300 in the catalog" in seen["execute_result"]
    assert seen["execute_result"].count("<svg") == harvester.results.SPARKLINES + 1
    assert "10 spectra of " in seen["stream"]
    assert seen["display_data"], "H-alpha of each class is drawn"


@pytest.mark.slow
def test_a_reader_trains_a_classifier(notebook: Notebook) -> None:
    seen = run_all(notebook, "data-set-and-classifier")
    assert "train 210, test 90" in seen["stream"]
    assert float(seen["stream"].partition("\naccuracy ")[2].split()[0]) > 0.8
    assert seen["display_data"], "the doubtful spectra are drawn"


@pytest.mark.slow
def test_a_reader_sees_what_a_night_changed(notebook: Notebook) -> None:
    seen = run_all(notebook, "nightly-updates")
    assert "complete 0 300" in seen["stream"]
    assert "150  added: only after" in seen["stream"]
    assert "299 sound; [('ivo://" in seen["stream"]
    assert "complete 0 300 saved: 1\n" in seen["stream"]
    assert "no difference in content" in seen["stream"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_no_output_and_the_guide_links_to_it(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code_cells(path.stem))
    guide = (DOCS / "guide" / "python.md").read_text(encoding="utf-8")
    assert f"](../notebooks/{path.name})" in guide


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"mirror-and-look", "data-set-and-classifier", "nightly-updates"}
