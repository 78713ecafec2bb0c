"""Draw the pictures of the documentation again: ``python -m tests.docs.pictures``.

``dashboard.svg`` shows a made-up night on the genuine archive, the others the demo archive. ``report.png`` and
``browse*.png`` need Chromium, and are left as they are where that is absent.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from datetime import datetime
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT

from harvester import events as ev
from harvester.events.stats import StatsCollector
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Failed, Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.ui.output_thread import OutputThread
from harvester.ui.page_layout import Page
from harvester.ui.terminal import Encodable, Terminal
from harvester.ui.view import DashboardView
from tests.docs.pages import DOCS
from tests.support.browsing import all_read, browsing, page_of
from tests.support.chromium import BROWSER

ASSETS = DOCS / "assets"
# Rich's own format without its fonts, which it would load from another host.
SVG = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.S).replace(
    "Fira Code", "'DejaVu Sans Mono'"
)
WIDTH, ROWS, FREE = 104, 26, 41_200_000_000
KEYS = ("p pause", "+ - rate", "s skip retries", "q drain", "Ctrl-C twice to stop now")
LISTED, PRESENT, SECONDS = 13_334, 4_113, 46 * 60
PAUSE = 2 * 37 * 60  # in half seconds: a minute that the server requests
FLIGHT = {
    "a201405190023": (ev.Phase.BODY, 0.4, 1),
    "a201403100076": (ev.Phase.RESPONSE, 0.9, 1),
    "uk130046": (ev.Phase.RESPONSE, 0.1, 1),
    "vb110039": (ev.Phase.WRITE, 0.02, 1),
    "tf050019": (ev.Phase.WAITING, 0.3, 1),
    "oj110042": (ev.Phase.WAITING, 0.2, 1),
    "qd110009": (ev.Phase.WAITING, 0.6, 2),
    "pg050045": (ev.Phase.WAITING, 0.1, 1),
}
FAILURES = [
    ("tg130016", FailureKind.TIMEOUT, "no byte for 120 s", 300.0),
    ("ui260057", FailureKind.NOT_FOUND, "HTTP 404: no spectrum matches this pubDID", None),
    ("vd280021", FailureKind.TRUNCATED, "the FITS file ends after 40 320 of 43 200 bytes", 300.0),
    ("a201307220050", FailureKind.NO_ROWS, "the spectrum has no points in the requested band", None),
    ("nb240038", FailureKind.BUSY, "HTTP 503: Maintenance, back soon", 600.0),
    ("uh210039", FailureKind.SERVER_ERROR, "HTTP 500: DatabaseError: could not connect to server", 120.0),
]


def target(name: str) -> Target:
    """Return a target of the genuine archive."""
    return Target(SpectrumId(f"ivo://asu.cas.cz/stel/ccd700/{name}"), name)


def night(start: float) -> Iterator[ev.Event]:
    """Yield what happens in the first 46 minutes of a run."""
    wanted = LISTED - PRESENT
    verified = VerifiedSpectrum(40_320, "ab" * 32, "cd" * 32, 1997, 6.26e-7, 6.77e-7, "4 Her")
    yield ev.HarvestStarted(
        start, "20261122T204356-7f3a", "ondrejov", "voarchive.asu.cas.cz", "data/ondrejov",
        LISTED, PRESENT, wanted, 5.0, 8,
    )  # fmt: skip
    due = {int(2 * SECONDS * (number + 1) / 7): failure for number, failure in enumerate(FAILURES)}
    for tick in range(SECONDS * 2):
        time = start + tick / 2
        one = target(f"spectrum{tick}")
        if PAUSE <= tick < PAUSE + 120:
            if tick == PAUSE:
                yield ev.HarvestPaused(time, "HTTP 503: Maintenance", time + 60, ev.Pause.RETRY_AFTER)
            continue
        if tick == PAUSE + 120:
            yield ev.HarvestResumed(time, "the server is back")
        yield ev.RequestSent(time, "")
        yield ev.ResponseReceived(time, one, 200, 0.4 if tick < SECONDS else 0.73, 40_320)
        yield ev.SpectrumSaved(time, Saved(one, verified, 1, 0.7, ""))
        if tick in due:
            yield failed(time, *due[tick])
        if tick == SECONDS:
            yield ev.LimitsChanged(time, 2.5, 4, "responses take twice as long")
    for name, (phase, since, attempt) in FLIGHT.items():
        yield ev.PhaseEntered(start + SECONDS - since, target(name), attempt, phase)


def failed(time: float, name: str, kind: FailureKind, detail: str, retry: float | None) -> ev.Event:
    """Return a failure, final or to be retried ``retry`` seconds after the end of these 46 minutes."""
    failure = Failure(kind, detail, None, 60.0 if kind is FailureKind.BUSY else None)
    if retry is None:
        return ev.SpectrumFailed(time, Failed(target(name), failure, 1, 0.3, ""))
    return ev.RetryScheduled(time, target(name), 1, failure, time + 2 * SECONDS / 7 + retry)


def dashboard() -> str:
    """Return the dashboard as SVG."""
    collector = StatsCollector()
    view = DashboardView(lambda: collector.stats, None)
    start = datetime(2026, 11, 22, 20, 43, 56).astimezone().timestamp()
    for event in night(start):
        collector(event)
        view(event)
    output = OutputThread(io.StringIO())
    console = Terminal(output, width=WIDTH, height=ROWS, force_terminal=True, color_system="truecolor", record=True)
    console.print(Encodable(Page(view.snapshot(start + SECONDS), WIDTH, ROWS - 1, FREE, KEYS)), crop=False, end="")
    output.close()
    return console.export_svg(title="harvester --concurrency 8", code_format=SVG, unique_id="dashboard")


def side_by_side(page: Path) -> str:
    """Return a page that shows the beginning of a report by day, and its gallery by night."""
    sections = re.findall(r'<section id="(\w+)"', page.read_text(encoding="utf-8"))
    views = {"light": page.as_uri(), "dark": f"{page.as_uri()}#{sections[GALLERY]}"}
    frames = "".join(f'<iframe src="{url}" style="color-scheme: {scheme}"></iframe>' for scheme, url in views.items())
    size = "border: 0; width: 923px; height: 985px; zoom: 0.65"
    return f"<style>body {{ margin: 0; display: flex }} iframe {{ {size} }}</style>{frames}"


GALLERY = 5  # its place among the sections of the report


def screenshot(page: Path, picture: Path) -> None:
    """Write what Chromium shows of ``page``."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print(f"there is no Chromium: {picture.name} stays as it is", file=sys.stderr)
        return
    subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files",
         "--window-size=1200,640", f"--screenshot={picture}", page.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


async def browse(out: Path) -> None:
    """Take pictures of the browse page: on a desk by day, on a phone in the dark."""
    async with browsing(out.relative_to(Path.cwd()), "anna") as (session, rules), page_of(rules) as tab:
        await all_read(session, 300)
        await tab.until("document.querySelector('.row .doubt')?.innerText")
        await tab.press("j", "h")
        await asyncio.sleep(1)
        await tab.screenshot(ASSETS / "browse.png")
        await tab.look(390, 844, dark=True, phone=True)
        await asyncio.sleep(1)
        await tab.screenshot(ASSETS / "browse-phone.png")


def main() -> None:
    """Write the pictures."""
    (ASSETS / "dashboard.svg").write_text(dashboard(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        harvester = [sys.executable, "-m", "harvester"]
        subprocess.run([*harvester, "--archive", "demo", "--progress", "none"], cwd=folder, check=False)
        figure = str(ASSETS / "fluxcalib.svg")
        line = ["na010010", "--archive", "demo", "--band", "6500 6630 AA", "-o", figure]
        subprocess.run([*harvester, "fluxcalib", *line], cwd=folder, check=True)
        (report,) = Path(folder).glob("data/demo/.harvester/runs/*/report.html")
        both = Path(folder, "both.html")
        both.write_text(side_by_side(report), encoding="utf-8")
        screenshot(both, ASSETS / "report.png")
        if BROWSER is not None:
            with chdir(folder):  # the page shows the path as it was given
                asyncio.run(browse(Path(folder, "data", "demo")))


if __name__ == "__main__":
    main()
