"""Whole files in which no reader finds a spectrum: refused early, or stored and left out of exports if allowed."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.spectral_files import FLUX, image, written

MAPS = 12


def harvester(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harvester", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    requests = 0


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve one spectrum and maps of the sky, which are none; the working directory has a profile and a catalog."""
    files = {f"map{number}": written(image(np.full((9, 9), 1.0 + number))) for number in range(MAPS)}
    scale = {"CRVAL1": 5000.0, "CDELT1": 0.5, "CUNIT1": "Angstrom"}
    files |= {f"open{number}": written(image(FLUX + number, **scale)) for number in range(MAPS)}
    files["star"] = written(image(FLUX, CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests += 1
            body = files[self.path.strip("/")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), functools.partial(Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.chdir(tmp_path)
    rows = [f"ivo://a/{name},http://127.0.0.1:{server.server_port}/{name}" for name in files]
    for name, some in (("all", [*rows[:MAPS], rows[-1]]), ("maps", rows[:MAPS]), ("open", rows[MAPS:-1])):
        Path(f"{name}.csv").write_text("\n".join(["id,access_url", *some]) + "\n")
    Path("p.toml").write_text(
        'name = "p"\ntitle = "p"\nmode = "direct"\nhosts = ["127.0.0.1"]\nidentity_card = ""\n'
        "[settings.limits]\nrate = 0\n"
    )
    yield server
    server.shutdown()
    server.server_close()


def test_a_run_whose_first_files_are_no_spectra_ends_early_and_says_so(served: Server) -> None:
    done = harvester("run", "--archive", "p.toml", "--catalog", "maps.csv", "--out", "out", "--progress", "plain")
    assert done.returncode == 7
    assert (
        "files all fail the same check: this version reads no spectrum in them, which is not the archive's fault"
        in " ".join(done.stdout.split())
    )
    assert served.requests <= 2 * MAPS


def test_a_run_whose_first_files_leave_something_open_ends_early_and_says_which_field_settles_it(
    served: Server,
) -> None:
    done = harvester("run", "--archive", "p.toml", "--catalog", "open.csv", "--out", "out", "--progress", "plain")
    assert done.returncode == 7
    said = " ".join(done.stdout.partition("no file is as expected")[2].split())
    assert "check, for want of a setting, which is not the archive's fault: the image has no CRPIX1" in said
    assert "with reference_pixel in the archive's profile" in said
    assert "require" not in said
    assert served.requests <= 2 * MAPS


def test_they_are_stored_shown_and_left_out_where_structure_suffices(served: Server) -> None:
    options = ("--archive", "p.toml", "--out", "out")
    done = harvester("run", *options, "--catalog", "all.csv", "--require", "structure", "--progress", "plain")
    assert done.returncode == 0
    assert f"{MAPS} files stored at the level structure" in " ".join(done.stdout.split())
    again = harvester("verify", *options, "--json")
    found = json.loads(again.stdout)
    assert (again.returncode, found["sound"], found["structure_only"]) == (0, MAPS + 1, MAPS)
    strict = harvester("verify", *options, "--require", "science", "--json")
    assert (strict.returncode, len(json.loads(strict.stdout)["damaged"])) == (3, MAPS)
    exported = harvester("export", "e.parquet", *options)
    assert exported.returncode == 0
    assert "1 spectrum" in exported.stdout
    assert f"{MAPS} left out, in which no reader finds a spectrum" in exported.stdout
