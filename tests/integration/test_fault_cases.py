"""The fifty fault cases of the reliability research, each by its number, over real sockets through the whole path.

What other files prove is listed in ``ELSEWHERE`` and not repeated. The cases of the wire run under both of aiohttp's
parsers, which differ: ``Case.pure`` says where.
"""

from __future__ import annotations

import errno
import gzip
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.connector
import aiohttp.http_parser
import numpy as np
import pytest
from aiohttp.http_parser import HttpResponseParserPy
from click.testing import CliRunner

from harvester import events as ev
from harvester.cli import commands
from harvester.demo import listed_dids
from harvester.demo.synthesis import SyntheticSpectrum
from harvester.model.failures import FailureKind
from harvester.model.outcomes import VerifiedSpectrum
from harvester.storage import atomic
from tests.support.fault_server import (
    Exchange,
    Fault,
    certificate,
    chunks,
    endless,
    first,
    head,
    ok,
    respun,
    says,
    serving_faults,
    whole,
)
from tests.support.harvests import Harvested, fits_names, harvest_from, leftovers
from tests.support.paths import REPOSITORY

PARSERS = {"C": aiohttp.http_parser.HttpResponseParser, "pure Python": HttpResponseParserPy}

ELSEWHERE = {
    22: "integration/test_harvest.py::test_an_archive_that_is_not_there_is_reported_apart_from_spectra_that_are_not",
    27: "integration/test_harvest.py::"
    "test_a_connection_that_dies_before_the_headers_is_counted_as_often_as_it_was_asked",
    31: "unit/engine/test_rate_limit.py::test_no_turn_completes_a_second_of_more_than_rate_plus_one",
    32: "integration/test_simulated_nights.py::test_two_hours_away_cost_two_hours_and_no_healthy_spectrum",
    33: "integration/test_simulated_nights.py::test_two_hundred_poisoned_spectra_in_a_row_are_no_outage",
    34: "integration/test_simulated_nights.py::test_an_archive_that_comes_and_goes_all_night_loses_nothing",
    35: "integration/test_simulated_nights.py::test_an_outage_at_either_end_loses_nothing",
    36: "torture/test_commit.py::test_no_failing_call_leaves_a_wrong_state",
    39: "torture/test_power_cuts.py::test_a_recipe_without_one_of_its_steps_fails_this_test",
    40: "torture/test_kills.py::test_a_store_that_writes_in_place_fails_this_test",
    41: "integration/test_command_line.py::test_a_signal_leaves_whole_files_balanced_books_and_a_way_on",
    42: "integration/test_command_line.py::test_a_second_harvest_in_the_same_directory_learns_who_holds_it",
    43: "unit/storage/test_directory.py::test_the_sweep_takes_what_the_dead_left_and_spares_the_living",
    44: "integration/test_ledger.py::test_whatever_became_of_the_ledger_no_spectrum_is_requested_again",
    45: "integration/test_ledger.py::test_a_file_deleted_or_cut_by_a_user_is_fetched_again_and_no_other",
    46: "unit/catalog/test_names.py::test_every_name_is_safe_on_linux_macos_and_windows",
    47: "unit/catalog/test_packed_strings.py::test_a_million_spectra_are_planned_in_little_memory",
    49: "../benchmarks/soak.py::soak",  # fifty thousand spectra take minutes
}
LATER = {50}  # several machines: another issue's

DIDS = list(listed_dids(4))
BAD = DIDS[1]
WHOLE = len(whole(BAD))
BLOCK = 2880
TRACEBACK = b"\n\nXXXXXX Internal error in DaCHS software.\nTraceback (most recent call last):\nOSError: [Errno 5]\n"
PAGE = b"<html><head><title>Login</title></head><body>Please log in</body></html>"
VOTABLE = (
    b'<?xml version="1.0"?><VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">Oops</INFO></RESOURCE></VOTABLE>'
)
BOMB = gzip.compress(b"\0" * 40_000_000)


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the archive is well is asked at once, not after a second."""
    for name, seconds in {"FIRST_PROBE": 0.01, "SECOND_PROBE": 0.05, "NEXT_GOOD_PROBE": 0.01}.items():
        monkeypatch.setattr(f"harvester.engine.circuit_breaker.{name}", seconds)


def assert_no_wrong_file(out: Path) -> None:
    """Every visible file is, byte for byte, what the archive has under that name."""
    for path in (*out.glob("*.fits"), *out.glob("*.vot")):
        assert path.read_bytes() == whole(f"ivo://asu.cas.cz/stel/ccd700/{path.stem}"), f"{path.name} is wrong"


def assert_balanced(said: Harvested) -> None:
    stats = said.report.stats
    assert stats.listed == stats.present + stats.saved + stats.failed + stats.remaining
    assert stats.saved + stats.present == len(fits_names(said.report.folder.parents[2]))


def shown_failures(out: Path) -> str:
    """What ``python -m harvester failures`` shows."""
    done = CliRunner().invoke(commands, ["failures", "--out", str(out)], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


def body(change: Callable[[bytes], bytes], *lines: str) -> Fault:
    return says(lambda good: ok(change(good), *lines))


def status(line: str, *lines: str) -> Fault:
    return says(head(*lines, "Connection: close", status=line))


def sent_on(place: str) -> Fault:
    return status("302 Found", f"Location: {place}", "Content-Length: 0")


def said_and(reply: Callable[[bytes], bytes], then: Callable[[Exchange], Any]) -> Fault:
    async def fault(exchange: Exchange) -> None:
        await exchange.say(reply(exchange.body))
        await then(exchange)

    return fault


async def drip_head(exchange: Exchange) -> None:
    await exchange.say(b"HTTP/1.1 200 OK\r\n")
    await exchange.drip(b"X-Odd: 1\r\n")


def nan(spectrum: SyntheticSpectrum) -> SyntheticSpectrum:
    flux = spectrum.flux.copy()
    flux[7] = np.nan
    return SyntheticSpectrum(spectrum.wave, flux)


def zero(spectrum: SyntheticSpectrum) -> SyntheticSpectrum:
    return SyntheticSpectrum(spectrum.wave, np.zeros_like(spectrum.flux))


SOON: Mapping[str, float] = {"attempts": 2, "read_timeout": 0.5, "total_timeout": 1.0}


@dataclass(frozen=True)
class Case:
    """One fault for one spectrum: what becomes of it, and the sentence that ``failures`` shows of it.

    ``wire`` is how often it is asked for, aiohttp's silent repeats included; ``pure`` what differs under the parser in
    pure Python. ``kind`` None: the spectrum is saved.
    """

    name: str
    fault: Fault
    kind: FailureKind | None = None
    sentence: str = ""
    blame: str = ""
    attempts: int = 3
    wire: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    pure: tuple[FailureKind | None, str, str, int] | None = None


CUT, TIMEOUT, GARBLED = FailureKind.CONNECTION_LOST, FailureKind.TIMEOUT, FailureKind.PROTOCOL_ERROR
TRUNCATED, NOT_FITS, ODD = FailureKind.TRUNCATED, FailureKind.NOT_FITS, FailureKind.UNEXPECTED_STATUS
BROKE = "the response broke off ("
LATE = "no response in time ("
NO_HTTP = "the response is not HTTP ("
ENDS = "the FITS file ends after"


def half(good: bytes) -> bytes:
    return good[: WHOLE // 2]


WIRE = [
    Case("1 length and FIN", says(lambda good: ok(half(good), length=WHOLE)), CUT, BROKE, "network"),
    Case("1 length, no byte, FIN", says(ok(b"", length=WHOLE)), CUT, BROKE, "network"),
    Case("2 length and RST", said_and(lambda good: ok(half(good), length=WHOLE), Exchange.reset),
         CUT, BROKE, "network"),
    Case("2 RST before the head", Exchange.reset, CUT, BROKE, "network", wire=6),
    Case("3 chunked, cut between chunks", says(lambda good: head("Transfer-Encoding: chunked") + chunks(half(good))),
         CUT, BROKE, "network"),
    Case("3 chunked, cut within one", says(lambda good: head("Transfer-Encoding: chunked") + chunks(good)[:-999]),
         CUT, BROKE, "network"),
    Case("3 chunked, no last chunk", says(lambda good: head("Transfer-Encoding: chunked") + chunks(good)),
         CUT, BROKE, "network"),
    Case("4 no length, FIN", says(lambda good: endless(half(good))), TRUNCATED, ENDS, "archive"),
    Case("5 no length, RST", said_and(lambda good: endless(half(good)), Exchange.reset), TRUNCATED, ENDS, "archive"),
    Case("6 empty, length 0", says(ok(b"")), FailureKind.EMPTY, "the response has no bytes", "archive"),
    Case("6 empty, no length", says(endless(b"")), FailureKind.EMPTY, "the response has no bytes", "archive"),
    Case("7 HTTP 1.0, whole", says(lambda good: head(version="1.0") + good)),
    Case("7 HTTP 1.0, half", says(lambda good: head(version="1.0") + half(good)), TRUNCATED, ENDS, "archive"),
    Case("8 a page", body(lambda _: PAGE, "Content-Type: text/html"), NOT_FITS,
         "the response is not a FITS file but", "archive"),
    Case("9 a page typed as FITS", body(lambda _: PAGE, "Content-Type: application/fits"), NOT_FITS,
         "Please log in", "archive"),
    Case("10 an error in VOTable", body(lambda _: VOTABLE, "Content-Type: text/xml"), NOT_FITS, "Oops", "archive"),
    Case("10 a usage error as text", body(lambda _: b"UsageError: Field BAND: no\n"), NOT_FITS,
         "UsageError: Field BAND: no", "archive"),
    Case("11 DaCHS' traceback behind the file",
         says(lambda good: head("Transfer-Encoding: chunked") + chunks(good, TRACEBACK, b"")),
         FailureKind.TRAILING_BYTES, "bytes stand behind the end of the FITS file", "archive"),
    Case("11 DaCHS' traceback in the file",
         says(lambda good: head("Transfer-Encoding: chunked") + chunks(half(good), TRACEBACK, b"")),
         TRUNCATED, "the server's own error report stands at its end", "archive"),
    Case("12 cut at a block", body(lambda good: good[:-BLOCK]), TRUNCATED, ENDS, "archive"),
    Case("12 cut behind the empty primary HDU", body(lambda good: good[:BLOCK]), TRUNCATED,
         "where the table should follow", "archive"),
    Case("13 another spectrum", body(lambda _: whole(DIDS[0])), FailureKind.WRONG_SPECTRUM,
         "another spectrum came", "archive"),
    Case("13 zero flux", body(lambda _: respun(BAD, zero)), FailureKind.ZERO_FLUX, "flux", "spectrum", 2),
    Case("13 NaN", body(lambda _: respun(BAD, nan)), FailureKind.NOT_FINITE, "finite", "spectrum", 2),
    Case("14 204", status("204 No Content"), FailureKind.NO_DATA,
         "HTTP 204 no data for this request", "spectrum", 1),
    Case("14 206", says(lambda good: head(f"Content-Length: {WHOLE}", status="206 Partial Content") + good), ODD,
         "HTTP 206", "archive", 2),
    Case("14 300", status("300 Multiple Choices", "Content-Length: 0"), ODD,
         "HTTP 300 without a message", "archive", 2),
    Case("14 304", status("304 Not Modified"), ODD, "HTTP 304 without a message", "archive", 2),
    Case("14 302 to nowhere", status("302 Found", "Content-Length: 0"), ODD,
         "HTTP 302 without a message", "archive", 2),
    Case("15 gzip, whole", body(gzip.compress, "Content-Encoding: gzip")),
    Case("15 gzip, cut short", body(lambda good: gzip.compress(good)[:-99], "Content-Encoding: gzip"), CUT,
         "gzip body is damaged: the gzip file ends", "network"),
    Case("15 gzip without its trailer", body(lambda good: gzip.compress(good)[:-8], "Content-Encoding: gzip"), CUT,
         "gzip body is damaged: the gzip file ends", "network"),
    Case("15 a plain file that says gzip", body(lambda good: good, "Content-Encoding: gzip")),
    Case("15 gzip that is none", body(lambda good: b"\0" + good, "Content-Encoding: gzip"), CUT,
         "gzip body is damaged", "network"),
    Case("15 gzip bomb", body(lambda _: BOMB, "Content-Encoding: gzip"), FailureKind.TOO_LARGE,
         "more than 100 000 bytes (limits.max_bytes)", "archive", 1),
    Case("16 length too small, the rest at once", says(lambda good: ok(good, length=WHOLE - BLOCK)), GARBLED, NO_HTTP,
         "archive", pure=(TRUNCATED, ENDS, "archive", 3)),
    Case("16 length too small, the rest later",
         said_and(lambda good: ok(good[:-BLOCK], "Connection: close"), lambda it: it.later(it.body[-BLOCK:])),
         TRUNCATED, ENDS, "archive"),
    Case("16 length too large, socket left open", said_and(lambda good: ok(good, length=WHOLE + 1), Exchange.hush),
         TIMEOUT, LATE, "network", 2, limits=SOON),
    Case("17 too large by its length", said_and(lambda _: ok(b"", length=300_000_000), Exchange.hush),
         FailureKind.TOO_LARGE, "more than 100 000 bytes (limits.max_bytes)", "archive", 1),
    Case("17 too large without one", said_and(lambda _: endless(b""), lambda it: it.drip(b"x" * 30_000)),
         FailureKind.TOO_LARGE, "more than 100 000 bytes (limits.max_bytes)", "archive", 1),
    Case("18 a header without end", says(ok(b"", "X: " + "y" * 20_000)), GARBLED, NO_HTTP, "archive"),
    Case("18 a flood of headers", says(ok(b"", *["X: y"] * 10_000)), GARBLED, NO_HTTP, "archive"),
    Case("18 a status line that is none", says(b"HTTP/1.1 twenty OK\r\n\r\n"), GARBLED, NO_HTTP, "archive"),
    Case("18 another protocol", says(b"SSH-2.0-OpenSSH_9.2\r\n"), GARBLED, NO_HTTP, "archive",
         pure=(CUT, BROKE, "network", 6)),
    Case("18 two lengths", says(lambda good: head("Content-Length: 5", f"Content-Length: {WHOLE}") + good), GARBLED,
         NO_HTTP, "archive"),
    Case("18 a length and chunks",
         says(lambda good: head(f"Content-Length: {WHOLE}", "Transfer-Encoding: chunked") + chunks(good, b"")),
         GARBLED, NO_HTTP, "archive"),
    Case("19 silence before the head", Exchange.hush, TIMEOUT, LATE, "network", 2, limits=SOON),
    Case("19 silence in the head", said_and(lambda _: b"HTTP/1.1 200 OK\r\nCont", Exchange.hush), TIMEOUT, LATE,
         "network", 2, limits=SOON),
    Case("19 silence in the body", said_and(lambda good: ok(half(good), length=WHOLE), Exchange.hush), TIMEOUT, LATE,
         "network", 2, limits=SOON),
    Case("20 a head that drips", drip_head, TIMEOUT, LATE, "network", 2, limits=SOON),
    Case("20 a body that drips", said_and(lambda _: ok(b"", length=WHOLE), lambda it: it.drip(b"S")), TIMEOUT, LATE,
         "network", 2, limits=SOON),
    Case("21 100 Continue for ever", lambda it: it.drip(head(status="100 Continue")), TIMEOUT, LATE, "network", 2,
         limits=SOON),
    Case("21 103 as fast as it goes", lambda it: it.pour(head("Link: </x>; rel=preload", status="103 Early Hints")),
         GARBLED, "more than 100 interim responses (1xx)", "archive"),
    Case("21 102, some, and then the file", says(lambda good: head(status="102 Processing") * 50 + ok(good))),
    Case("18 a status line that pours", lambda it: it.pour(b"HTTP/1.1 200 OK"), GARBLED, NO_HTTP, "archive"),
    Case("18 headers that pour", said_and(lambda _: b"HTTP/1.1 200 OK\r\n", lambda it: it.pour(b"X-Odd: 1\r\n")),
         GARBLED, NO_HTTP, "archive"),
    Case("18 one header that pours", said_and(lambda _: b"HTTP/1.1 200 OK\r\nX-Odd: ", lambda it: it.pour(b"x")),
         GARBLED, NO_HTTP, "archive"),
    Case("18 the extension of a chunk pours",
         said_and(lambda _: head("Transfer-Encoding: chunked") + b"5;", lambda it: it.pour(b"x")), TIMEOUT, LATE,
         "network", 2, limits=SOON, pure=(CUT, BROKE, "network", 2)),
    Case("18 trailers that pour",
         said_and(lambda good: head("Transfer-Encoding: chunked") + chunks(good) + b"0\r\n",
                  lambda it: it.pour(b"X-Odd: 1\r\n")), GARBLED, NO_HTTP, "archive", 2, limits={"attempts": 2},
         pure=(CUT, BROKE, "network", 2)),
    Case("28 a redirect to itself", sent_on("?ID=" + BAD),
         FailureKind.REDIRECT_BLOCKED, "more than 3 redirects", "archive", 2, wire=8),
    Case("28 a redirect to a file", sent_on("file:///etc/passwd"), FailureKind.REDIRECT_BLOCKED,
         "redirected to 'file:///etc/passwd': that is not HTTP", "archive", 2),
    Case("28 a redirect to another host", sent_on("http://elsewhere.example/x?key=secret"),
         FailureKind.REDIRECT_BLOCKED,
         "redirected to 'http://elsewhere.example/x': that is another host", "archive", 2),
    Case("28 a redirect to a login page", sent_on("/login"), NOT_FITS, "Please log in", "archive"),
    Case("48 a Content-Disposition that climbs",
         body(lambda good: good, 'Content-Disposition: attachment; filename="../../../evil.fits"')),
]  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", WIRE, ids=lambda case: case.name)
async def test_wire(case: Case, parser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.client_proto.HttpResponseParser", PARSERS[parser])
    kind, sentence, blame, wire = case.kind, case.sentence, case.blame, case.wire or case.attempts
    if PARSERS[parser] is HttpResponseParserPy and case.pure:
        kind, sentence, blame, wire = case.pure
    if kind is None:
        wire = 1
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    limits = {"attempts": 3, "max_bytes": 100_000, **case.limits}
    async with serving_faults({BAD: case.fault}, pages={"/login": ok(PAGE)}) as server:
        said = await harvest_from(server.archive, out, DIDS, limits=limits)
    assert_no_wrong_file(out)
    assert_balanced(said)
    assert not leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"], "nothing climbed out of the directory"
    stats = said.report.stats
    assert server.asked[BAD] == wire
    assert stats.requests >= len(server.heads), "what went out is counted, what a dead connection swallowed included"
    if kind is None:
        assert (stats.saved, stats.exit_code) == (4, 0)
        return
    (failed,) = (event.outcome for event in said.of(ev.SpectrumFailed))
    assert (failed.failure.kind, failed.failure.kind.blame, failed.attempts) == (kind, blame, case.attempts)
    assert (stats.saved, stats.exit_code) == (3, 4 if kind.transient else 3)
    shown = shown_failures(out)
    assert f"    {BAD}: {failed.failure.detail}" in shown
    assert sentence in failed.failure.detail
    assert kind is not GARBLED or "400" not in failed.failure.detail, "no server said 400"
    assert f"(cause: {blame})" in shown
    assert f"what to do: {kind.advice}" in shown


# ---- connection


@contextmanager
def resolving(monkeypatch: pytest.MonkeyPatch, answers: Callable[[], list[str]]) -> Iterator[None]:
    """Names resolve to whatever ``answers`` gives (it may raise)."""

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, object]]:
        return [
            {"hostname": host, "host": ip, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for ip in answers()
        ]

    with monkeypatch.context() as patch:
        patch.setattr(aiohttp.DefaultResolver, "resolve", resolve)
        yield


async def test_23_a_name_that_does_not_resolve_and_then_does_costs_no_spectrum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def answers() -> list[str]:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise OSError(None, "Name or service not known")
        return ["127.0.0.1"]

    async with serving_faults({}, host="archive.example") as server:
        with resolving(monkeypatch, answers):
            said = await harvest_from(server.archive, tmp_path / "out", DIDS)
    assert_no_wrong_file(tmp_path / "out")
    assert (said.report.stats.saved, said.report.stats.exit_code) == (4, 0)
    why = {event.failure.kind for event in said.of(ev.RetryScheduled)}
    assert why == {FailureKind.UNREACHABLE}


@contextmanager
def black_hole(port: int) -> Iterator[str]:
    """An address on loopback that answers no SYN: its queue of connections is full and stays so."""
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        try:
            deaf.bind(("127.0.0.9", port))
        except OSError:
            pytest.skip("this system has no 127.0.0.9")
        deaf.listen(0)
        for _ in range(2):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.9", port))
        yield "127.0.0.9"


def was_away(said: Harvested, words: str) -> None:
    """Nothing was charged to a spectrum, and the reason says what was seen of the archive."""
    stats = said.report.stats
    assert (stats.failed, stats.remaining, stats.exit_code) == (0, 2, 5)
    assert "the archive was unavailable for" in stats.reason
    assert words in stats.reason


async def test_24_an_address_that_swallows_everything_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_faults({}, host="archive.example") as server:
        with black_hole(server.port) as hole:
            with resolving(monkeypatch, lambda: [hole, "127.0.0.1"]):
                said = await harvest_from(server.archive, tmp_path / "out", DIDS)
            assert (said.report.stats.saved, said.report.stats.retries) == (4, 0)
            with resolving(monkeypatch, lambda: [hole]):
                limits = {"attempts": 1, "connect_timeout": 0.2, "max_outage": 0.5}
                said = await harvest_from(server.archive, tmp_path / "alone", DIDS[:2], limits=limits)
    was_away(said, "Connection timeout to host")


async def test_25_a_certificate_that_no_one_trusts_is_refused_and_reported(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    async with serving_faults({}, tls=tls, host="localhost") as server:
        limits = {"attempts": 2, "max_outage": 0.5}
        said = await harvest_from(server.archive, tmp_path / "out", DIDS[:2], limits=limits)
    assert server.heads == []
    was_away(said, "self-signed certificate")


async def test_25_a_tls_handshake_that_stalls_is_given_up_in_time(tmp_path: Path) -> None:
    async with serving_faults({}) as server:  # speaks no TLS, and waits for the end of a head that never comes
        server.scheme = "https"
        limits = {"attempts": 1, "connect_timeout": 0.3, "max_outage": 0.5}
        said = await harvest_from(server.archive, tmp_path / "out", DIDS[:2], limits=limits)
    was_away(said, "unreachable: ")


async def test_26_connections_that_the_server_closes_when_idle_fail_nothing(tmp_path: Path) -> None:
    dids = list(listed_dids(60))
    async with serving_faults({}, idle=0.05) as server:
        limits = {"rate": 40, "concurrency": 2}
        said = await harvest_from(server.archive, tmp_path / "out", dids, limits=limits)
    assert_no_wrong_file(tmp_path / "out")
    assert (said.report.stats.saved, said.report.stats.failed, said.report.stats.exit_code) == (60, 0, 0)


async def test_28_no_request_of_ours_reaches_another_host(tmp_path: Path) -> None:
    async with serving_faults({}) as stranger:
        place = f"http://localhost:{stranger.port}/ccd700/q/sdl/dlget?ID={BAD}&key=secret"
        async with serving_faults({BAD: sent_on(place)}) as server:
            said = await harvest_from(server.archive, tmp_path / "out", DIDS)
    assert not any("Authorization" in asked for asked in server.heads)
    assert (stranger.heads, stranger.connections) == ([], 0)
    assert said.report.stats.failures == {FailureKind.REDIRECT_BLOCKED: 1}
    shown = shown_failures(tmp_path / "out")
    assert "that is another host" in shown
    assert "secret" not in shown


async def test_28_https_never_falls_back_to_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, chain = certificate(tmp_path)
    trusting = aiohttp.connector._make_ssl_context(True)
    trusting.load_verify_locations(chain)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    async with serving_faults({}) as plain:
        place = f"http://localhost:{plain.port}/ccd700/q/sdl/dlget?ID={BAD}"
        async with serving_faults({BAD: sent_on(place)}, tls=tls, host="localhost") as server:
            said = await harvest_from(server.archive, tmp_path / "out", DIDS)
    assert plain.heads == []
    assert said.report.stats.failures == {FailureKind.REDIRECT_BLOCKED: 1}
    assert "that gives up encryption" in shown_failures(tmp_path / "out")
    assert_no_wrong_file(tmp_path / "out")


# ---- politeness


def late(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        pytest.param("429 Too Many", lambda: ["Retry-After: 1"], id="29 seconds"),
        pytest.param("503 Moving", lambda: [f"Date: {late(-9000)}", f"Retry-After: {late(-8999)}"], id="30 slow clock"),
        pytest.param("503 Moving", lambda: [f"Date: {late(9000)}", f"Retry-After: {late(9001)}"], id="30 fast clock"),
    ],
)
async def test_a_retry_after_delays_all_for_a_second_and_costs_no_attempt(
    tmp_path: Path, line: str, headers: Callable[[], list[str]]
) -> None:
    busy = first(1, status(line, *headers(), "Content-Length: 0"))
    async with serving_faults({DIDS[0]: busy}) as server:
        said = await harvest_from(server.archive, tmp_path / "out", DIDS, limits={"concurrency": 1, "attempts": 1})
    (pause,) = said.of(ev.HarvestPaused)
    assert 0.9 <= pause.until - pause.time <= 1.2
    assert [event for event in said.of(ev.RequestSent) if pause.time < event.time < pause.until - 0.05] == []
    assert (said.report.stats.saved, said.report.stats.failed, said.report.stats.exit_code) == (4, 0, 0)
    assert line[:3] in pause.reason


# ---- disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


async def test_37_a_disk_that_is_full_and_then_has_room_again_costs_no_spectrum(small_disk: Path) -> None:
    ballast = small_disk / "ballast"

    def fill_and_free(event: ev.Event) -> None:
        if isinstance(event, ev.HarvestStarted):
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
        elif isinstance(event, ev.HarvestPaused):
            ballast.unlink()

    async with serving_faults({}) as server:
        said = await harvest_from(
            server.archive, small_disk / "out", DIDS, watchers=[fill_and_free], limits={"disk_wait": 60}
        )
        assert sum(server.asked.values()) == 4
    assert_no_wrong_file(small_disk / "out")
    assert not leftovers(small_disk)
    (pause,) = said.of(ev.HarvestPaused)
    assert "the disk is full; make room and run again" in pause.reason
    assert (said.report.stats.saved, said.report.stats.exit_code) == (4, 0)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EROFS, "the disk is read-only; remount it or choose another --out"),
        (errno.EIO, "the disk reports an input/output error; check it before the next run"),
        (errno.EMFILE, "too many open files; raise the limit (ulimit -n)"),
        (errno.EFBIG, "the file size limit is reached (ulimit -f)"),
        (errno.EDQUOT, "the disk quota is used up; make room and run again"),
    ],
    ids=lambda value: f"38 {errno.errorcode[value]}" if isinstance(value, int) else "",
)
async def test_a_disk_that_fails_ends_the_run_in_one_sentence_and_charges_no_spectrum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    async with serving_faults({}) as server:
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "_write" if number != errno.EIO else "_opened", fail)
            said = await harvest_from(server.archive, tmp_path / "out", DIDS)
        assert_no_wrong_file(tmp_path / "out")
        stats = said.report.stats
        assert (stats.exit_code, stats.failed, stats.saved, stats.remaining) == (6, 0, 0, 4)
        assert sentence in stats.reason
        healed = await harvest_from(server.archive, tmp_path / "out", DIDS)
    assert healed.report.stats.exit_code == 0
    assert_no_wrong_file(tmp_path / "out")


# ---- the suite itself


async def test_a_harvester_that_skips_the_verification_fails_this_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believe(raw: bytes, *_: object) -> VerifiedSpectrum:
        return VerifiedSpectrum(len(raw), "", "", 2, 0.0, 1.0, "")

    monkeypatch.setattr("harvester.parallel.adaptive_storage.verify_soon", believe)
    noticed = 0
    spoilt = [case for case in WIRE if case.kind and case.kind not in (CUT, TIMEOUT, GARBLED)][:12]
    for number, case in enumerate(spoilt):
        out = tmp_path / str(number)
        async with serving_faults({BAD: case.fault}, pages={"/login": ok(PAGE)}) as server:
            await harvest_from(server.archive, out, [BAD])
        try:
            assert_no_wrong_file(out)
        except AssertionError:
            noticed += 1
    assert noticed == len(spoilt)


def test_all_fifty_cases_are_accounted_for_and_none_twice() -> None:
    numbered = {int(match[0]) for case in WIRE if (match := re.match(r"\d+", case.name))}
    here = re.findall(r'def test_(\d+)_|id="(\d+) |f"(\d+) \{errno', Path(__file__).read_text())
    said = {int(number) for found in here for number in found if number}
    assert numbered | said | set(ELSEWHERE) | LATER == set(range(1, 51))
    assert not (numbered | said) & set(ELSEWHERE)


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=lambda place: place.partition("::")[2])
def test_what_is_proved_elsewhere_is_there(place: str) -> None:
    file, _, name = place.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (REPOSITORY / "tests" / file).read_text(), re.MULTILINE)
