"""Those who look on from afar: metrics and the webhook tell the truth, keep secrets, and never cost a harvest."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from harvester import events as ev
from harvester.cli.run import _without_secrets
from harvester.config.loading import load
from harvester.errors import UsageError
from harvester.events.bus import EventBus
from harvester.events.stats import StatsCollector
from harvester.monitoring.metrics import Metrics, scrape_port, text_file
from harvester.monitoring.webhook import Webhook
from harvester.run.observers import check
from tests.support.harvests import harvest_demo, plan_faults
from tests.support.virtual_time import run_virtually

SECRET = "T0/B0/xyzzy"
STARTED = ev.HarvestStarted(1000.0, "run", "demo", "h", "out", 9, 2, 7, 5.0, 8)


def sample(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def grumble(error: Exception) -> None:
    raise AssertionError(error)


@asynccontextmanager
async def listening(status: int = 204, wait: float = 0.0) -> AsyncIterator[tuple[str, list[dict[str, object]]]]:
    """A webhook: its address, and the JSON that it received."""
    shown: list[dict[str, object]] = []

    async def hear(request: web.Request) -> web.Response:
        shown.append(await request.json())
        await asyncio.sleep(wait)
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post(f"/{SECRET}", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/{SECRET}", shown
    finally:
        await runner.cleanup()


# ---- metrics


async def test_a_whole_run_leaves_its_numbers_in_the_text_file(tmp_path: Path) -> None:
    file = tmp_path / "harvester.prom"
    shown = await harvest_demo(tmp_path / "out", 12, plan_faults(n3="http_404", n5=("http_500", 1)), metrics_file=file)
    text, stats = file.read_text(), shown.report.stats
    assert sample(text, 'harvester_spectra{outcome="saved"}') == stats.saved == 11
    assert sample(text, 'harvester_failures{kind="not_found"}') == 1
    assert sample(text, "harvester_remaining") == 0
    assert sample(text, "harvester_requests_total") == stats.requests
    assert sample(text, "harvester_retries_total") == stats.retries == 1
    assert sample(text, "harvester_bytes_total") == stats.bytes
    assert sample(text, "harvester_latency_seconds_count") == stats.requests
    assert sample(text, "harvester_in_flight") == sample(text, "harvester_paused") == 0
    assert sample(text, "harvester_last_success_timestamp_seconds") == pytest.approx(stats.ended, abs=60)
    assert list(tmp_path.glob("*.prom*")) == [file], "written whole, nothing left beside it"


async def test_two_runs_in_one_process_do_not_share_their_numbers(tmp_path: Path) -> None:
    for name in ("one", "other"):
        await harvest_demo(tmp_path / name, 3, metrics_file=tmp_path / f"{name}.prom")
        assert sample((tmp_path / f"{name}.prom").read_text(), "harvester_requests_total") == 3


async def test_numbers_are_served_on_loopback_while_it_lasts_and_no_longer() -> None:
    tally, port = StatsCollector(), free_port()
    metrics = Metrics(lambda: tally.stats)

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    async with scrape_port(metrics, port, grumble):
        bus = EventBus(tally, metrics)
        bus.emit(STARTED)
        bus.emit(ev.LimitsChanged(1001.0, 2.5, 3, "slower"))
        bus.emit(ev.HarvestPaused(1001.0, "503", 1100.0))
        text = await asyncio.to_thread(scrape)
        assert sample(text, "harvester_rate_allowed") == 2.5
        assert sample(text, "harvester_concurrency_allowed") == 3
        assert sample(text, "harvester_paused") == 1
        assert sample(text, "harvester_remaining") == 7
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(scrape)


async def test_a_run_that_fails_remembers_when_an_earlier_one_succeeded(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    file.write_text("harvester_last_success_timestamp_seconds 1.7e+09\n")
    async with text_file(Metrics(lambda: StatsCollector().stats), file, grumble):
        pass
    assert sample(file.read_text(), "harvester_last_success_timestamp_seconds") == 1.7e9


def test_a_text_file_that_finds_no_room_for_a_while_is_written_again(tmp_path: Path) -> None:
    file, faults, seen = tmp_path / "full" / "x.prom", list[Exception](), list[bool]()

    async def night() -> None:
        async with text_file(Metrics(lambda: StatsCollector().stats), file, faults.append):
            await asyncio.sleep(40.0)
            file.parent.mkdir()
            await asyncio.sleep(20.0)
            seen.append(file.exists())

    run_virtually(night())
    assert seen == [True]
    assert len(faults) == 1, "it is reported once"


async def test_a_port_that_is_taken_and_a_folder_that_is_not_there_cost_no_spectrum(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = await harvest_demo(tmp_path / "out", 5, metrics_file=tmp_path / "no" / "x.prom", metrics_port=str(port))
    assert shown.report.stats.saved == 5
    assert any(line.startswith("metrics port: OSError: ") for line in shown.report.warnings)
    assert any(line.startswith("metrics file: FileNotFoundError: ") for line in shown.report.warnings)
    assert {lost.observer for lost in shown.of(ev.ObserverFailed)} == {"metrics port", "metrics file"}


def test_what_is_not_installed_is_said_before_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    check(load({}).settings)
    with pytest.raises(UsageError, match=r"pip install 'specharvest\[metrics\]'"):
        check(load({"metrics_port": "9000"}).settings)


# ---- the webhook


async def test_the_webhook_is_reported_the_summary_once_at_the_end(tmp_path: Path) -> None:
    async with listening() as (url, heard):
        shown = await harvest_demo(tmp_path / "out", 4, notify=url)
    (message,) = heard
    assert message["event"] == "harvest_ended"
    assert message["host"] == socket.gethostname()
    summary = json.loads((shown.report.folder / "summary.json").read_text())
    assert summary.items() <= message.items()
    assert str(message["text"]).endswith("complete; 4 new, 0 failed, 0 to go (exit code 0)")
    assert shown.report.warnings == []


async def test_its_secret_is_in_no_file_of_the_run(tmp_path: Path) -> None:
    async with listening(500) as (url, _):
        shown = await harvest_demo(tmp_path / "out", 4, notify=url)
    assert shown.report.warnings == [f"webhook: {url.removesuffix(SECRET)}***: HTTP 500"]
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any("***" in path.read_text("utf-8", "replace") for path in written if path.name == "config.toml")
    assert not any(b"xyzzy" in path.read_bytes() for path in written)


async def test_a_webhook_that_is_not_there_is_reported_in_the_summary(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 4, notify=f"http://127.0.0.1:{free_port()}/{SECRET}")
    assert shown.report.stats.exit_code == 0
    (lost,) = shown.report.warnings
    assert lost.startswith("webhook: http://127.0.0.1:")
    assert "xyzzy" not in lost


SUMMARY = {"reason": "complete", "saved": 1, "failed": 0, "remaining": 0, "exit_code": 0}


def test_a_webhook_that_never_answers_is_left_after_ten_seconds_or_at_once_if_someone_is_in_a_hurry() -> None:
    async def never(url: str, body: bytes) -> None:
        await asyncio.Event().wait()

    async def story(hurry_after: float) -> tuple[float, list[str]]:
        loop, hurry = asyncio.get_running_loop(), asyncio.Event()
        hook = Webhook("https://h.example/secret", lambda: StatsCollector().stats, never)
        loop.call_later(hurry_after, hurry.set)
        begin = loop.time()
        await hook.end(SUMMARY, hurry)
        return loop.time() - begin, hook.faults

    assert run_virtually(story(100.0)) == (10.0, ["https://h.example/*** did not respond within 10 s"])
    assert run_virtually(story(1.0)) == (1.0, ["not sent: there was no time"])


async def _notices_of(pauses: list[tuple[float, ev.Event]]) -> list[dict[str, object]]:
    heard: list[dict[str, object]] = []

    async def post(url: str, body: bytes) -> None:
        heard.append(json.loads(body))

    async with Webhook("https://h.example/secret", lambda: StatsCollector().stats, post) as hook:
        hook(STARTED)
        for wait, event in pauses:
            hook(event)
            await asyncio.sleep(wait)
    return heard


def test_a_pause_is_reported_once_when_it_has_lasted_ten_minutes() -> None:
    again = [(60.0, ev.HarvestPaused(1000.0 + 60 * probe, "no answer", 1060.0 + 60 * probe)) for probe in range(30)]
    (message,) = run_virtually(_notices_of([*again]))
    assert message["event"] == "harvest_paused"
    assert message["pause"] == "outage"
    assert message["paused_since"] == "1970-01-01T00:16:40.000Z"
    assert message["reason"] == "no answer"


def test_short_pauses_and_planned_ones_send_no_notice() -> None:
    short = ev.HarvestPaused(1000.0, "503", 1300.0, ev.Pause.RETRY_AFTER)
    back, night = ev.HarvestResumed(1300.0, "back"), ev.HarvestPaused(1300.0, "outside", 9000.0, ev.Pause.WINDOW)
    assert (
        run_virtually(_notices_of([(300.0, short), (900.0, back), (300.0, short), (0.0, back), (7200.0, night)])) == []
    )


# ---- its address


@pytest.mark.parametrize("url", ["hooks.example/xyzzy", "ftp://h/xyzzy", "http://", "http://[/xyzzy", "http://h/x y"])
def test_an_address_that_is_none_is_refused_without_repeating_its_secret(url: str) -> None:
    with pytest.raises(UsageError, match=r"^--notify '.*\*\*\*': an address is expected") as caught:
        load({"notify": url})
    assert "xyzzy" not in str(caught.value)


def test_the_masked_address_of_a_log_is_no_address() -> None:
    with pytest.raises(UsageError, match="was masked for the log"):
        load({"notify": "https://hooks.example/***"})


def test_a_misspelled_variable_keeps_the_secret_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_NOTFIY", f"https://hooks.example/{SECRET}")
    with pytest.raises(UsageError, match="did you mean HARVESTER_NOTIFY") as caught:
        load({})
    assert "xyzzy" not in str(caught.value)


def test_the_command_that_is_shown_for_the_next_run_has_no_secret() -> None:
    url = f"https://me:pw@hooks.example/{SECRET}"
    typed = ["--rate", "5", "--notify", url, f"--notify={url}"]
    assert _without_secrets(typed) == [
        "--rate", "5", "--notify", "https://hooks.example/***", "--notify=https://hooks.example/***",
    ]  # fmt: skip
