"""The report in a real browser: it asks for nothing, complains of nothing, fits a phone, suits the timeline, prints."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from matplotlib import image

from harvester.palette import DARK, LIGHT
from tests.support.harvests import harvest_demo, plan_faults

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium, then these tests run")

QUIETLY = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-features=NetworkTimeServiceQuerying", "--enable-logging=stderr", "--force-device-scale-factor=1",
)  # fmt: skip
NIGHT, DAY = "--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"

MEASURE = """<!doctype html><meta name="color-scheme" content="light dark"><body><script>
const frame = document.createElement('iframe');
frame.style.border = '0'; frame.style.height = '800px';
const shown = {};
frame.onload = () => {
  const page = frame.contentDocument;
  for (const width of [320, 360, 414, 768, 1280]) {
    frame.style.width = width + 'px';
    shown[width] = page.documentElement.scrollWidth;
  }
  shown.ground = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  const out = document.createElement('pre');
  out.id = 'shown'; out.textContent = JSON.stringify(shown);
  document.body.append(out);
};
frame.src = 'report.html';
document.body.append(frame);
</script>"""


class _Server(SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what was asked, of whichever host."""

    def __init__(self, *args: Any, asked: list[str], **rest: Any) -> None:
        self._asked = asked
        super().__init__(*args, **rest)

    def do_GET(self) -> None:
        self._asked.append(f"{self.headers.get('Host', '').partition(':')[0]}{self.path}")
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name for it
        pass


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is served; every host name that the browser looks up leads here, too."""

    folder: Path
    url: str
    asked: list[str] = field(default_factory=list)

    def browse(self, page: str, *flags: str) -> subprocess.CompletedProcess[str]:
        self.asked.clear()
        assert BROWSER is not None
        port = self.url.rpartition(":")[2]
        profile = self.folder / "profile"
        there = f"--host-resolver-rules=MAP * 127.0.0.1:{port}, EXCLUDE 127.0.0.1"
        command = [BROWSER, *QUIETLY, f"--user-data-dir={profile}", there, *flags, f"{self.url}/{page}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        shutil.rmtree(profile, ignore_errors=True)
        return done


@contextmanager
def served(folder: Path) -> Iterator[Place]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=str(folder), asked=asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Place(folder, f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The page about a harvest of thirty, with a bit of everything that may go wrong."""
    folder = tmp_path_factory.mktemp("browser")
    faults = plan_faults(n1="http_404", n2=("traceback", 1), n3="html", n4="counts", n5=("http_500", 1))
    shown = asyncio.run(harvest_demo(folder / "out", 30, faults, limits={"attempts": 2}))
    assert shown.report.page is not None
    site = folder / "site"
    site.mkdir()
    shutil.copy(shown.report.page, site / "report.html")
    (site / "measure.html").write_text(MEASURE)
    (site / "careless.html").write_text(
        "<img src='http://elsewhere.example/x.png'><script>console.error('oh')</script>"
    )
    with served(site) as where:
        yield where


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def measured(place: Place, *flags: str) -> dict[str, Any]:
    dom = place.browse("measure.html", "--dump-dom", "--virtual-time-budget=4000", *flags).stdout
    shown = re.search(r'<pre id="shown">(.*?)</pre>', dom)
    assert shown is not None
    found: dict[str, Any] = json.loads(shown[1])
    return found


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def test_the_browser_would_notice(place: Place) -> None:
    done = place.browse("careless.html", "--dump-dom", "--virtual-time-budget=2000")
    assert complaints(done)
    assert "elsewhere.example/x.png" in place.asked


def test_it_asks_for_nothing_and_complains_of_nothing(place: Place) -> None:
    done = place.browse("report.html", "--dump-dom", "--virtual-time-budget=2000")
    assert "on disk" in done.stdout
    assert complaints(done) == []
    assert place.asked == ["127.0.0.1/report.html"]


def test_it_fits_every_width_without_scrolling_sideways(place: Place) -> None:
    shown = measured(place)
    assert {width: shown[width] for width in shown if width.isdigit()} == {
        "320": 320, "360": 360, "414": 414, "768": 768, "1280": 1280,
    }  # fmt: skip


@pytest.mark.parametrize(("flag", "ground"), [(DAY, LIGHT.page), (NIGHT, DARK.page)])
def test_it_is_light_by_day_and_dark_by_night(place: Place, flag: str, ground: str, tmp_path: Path) -> None:
    assert measured(place, flag)["ground"] == f"rgb{rgb(ground)}"
    shot = tmp_path / "shot.png"
    place.browse("report.html", f"--screenshot={shot}", "--window-size=800,1000", flag)
    pixels = image.imread(shot)
    assert tuple(round(float(share) * 255) for share in pixels[-1, 2, :3]) == rgb(ground)
    assert len({tuple(pixel) for pixel in pixels[::7, ::7, :3].reshape(-1, 3).tolist()}) > 20, "something is drawn"


def test_it_prints(place: Place, tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    done = place.browse("report.html", f"--print-to-pdf={paper}", "--no-pdf-header-footer", NIGHT)
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) < 20
    assert complaints(done) == []
