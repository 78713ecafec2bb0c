"""Datalink documents of several spectra in one request: fewer requests, the same spectra, nothing proven less."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from click.testing import CliRunner

from harvester.archive import link_batches
from harvester.archive.link_batches import LinkBatches, LookAhead
from harvester.cli import commands
from harvester.model.failures import Failure, FailureKind, FetchError
from harvester.model.outcomes import Fetched
from harvester.model.target import SpectrumId, Target
from harvester.vo.datalink import files_of
from tests.integration.test_discover_command import in_a_thread, server
from tests.integration.test_real_services import SPECTRUM, answer, serving
from tests.support.harvests import fits_names

COUNT = 23
COLUMNS = [(name, "") for name in ("ID", "access_url", "semantics", "content_type", "error_message")]
Answer = Callable[[Sequence[str]], Sequence[str]]


class Links:
    """A datalink service that answers about what ``chosen`` makes of the IDs; -1 of them is refused."""

    def __init__(self, chosen: Answer, refusal: int = 400, gone: str = "", shifted: bool = False) -> None:
        self._chosen, self._refusal, self._gone, self._shifted = chosen, refusal, gone, shifted
        self.documents: list[int] = []
        self.files: list[str] = []

    def __call__(self, request: web.Request) -> web.Response:
        if request.path.startswith("/files/"):
            self.files.append(request.path)
            return web.Response(body=SPECTRUM)
        ids = request.query.getall("ID")
        self.documents.append(len(ids))
        answered = self._chosen(ids)
        if not answered:
            return web.Response(status=self._refusal, text="UsageError: one ID, please")
        rows = [self._row(did) for did in answered]
        return serving(answer(rows, COLUMNS))(request.clone(rel_url="/ssap"))

    def _row(self, did: str) -> list[str]:
        if did.rpartition("/")[2] == self._gone:
            return [did, "", "#this", "", "NotFoundFault: no such spectrum"]
        return [did, f"BASE/files/{did.rpartition('/')[2]}.fits", "#this", "application/fits", ""]


def harvested(links: Links, *options: str, code: int = 0, profile: str = "") -> dict[str, object]:
    """Harvest by these links; return the summary."""
    with in_a_thread(lambda: server(links)) as url:
        Path("p.toml").write_text(
            f'name = "p"\ntitle = "p"\nmode = "datalink"\nendpoint = "{url.replace("/ssap", "/links")}"\n'
            f'identity_card = ""\nstep_tolerance = 0.0\n{profile}[settings.limits]\nrate = 0\nfirst_wait = 0.01\n',
            encoding="utf-8",
        )
        rows = "\n".join(f"ivo://a/{number}" for number in range(COUNT))
        Path("all.csv").write_text(f"id\n{rows}\n", encoding="utf-8")
        arguments = [
            "run",
            "--archive",
            "p.toml",
            "--catalog",
            "all.csv",
            "--out",
            "out",
            "--progress",
            "none",
            *options,
        ]
        done = CliRunner().invoke(commands, arguments, standalone_mode=False)
    assert done.return_value == code, (done.output, done.exception)
    [summary] = Path("out").glob(".harvester/runs/*/summary.json")
    found: dict[str, object] = json.loads(summary.read_text(encoding="utf-8"))
    return found


def test_one_document_is_enough_for_many_files() -> None:
    links = Links(lambda ids: ids)
    summary = harvested(links)
    assert links.documents == [COUNT]
    assert summary["requests"] == COUNT + 1, "what is sent is what is counted"
    assert sorted(links.files) == sorted(f"/files/{number}.fits" for number in range(COUNT))
    assert len(fits_names(Path("out"))) == COUNT


def test_a_profile_says_how_many_fit_into_one() -> None:
    links = Links(lambda ids: ids)
    harvested(links, profile="links_per_request = 5\n")
    assert sorted(links.documents) == [3, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("chosen", "refusal"),
    [
        pytest.param(lambda ids: ids if len(ids) == 1 else [], 400, id="refused"),
        pytest.param(lambda ids: ids if len(ids) == 1 else [], 500, id="broken"),
        pytest.param(lambda ids: ids[-1:], 400, id="only the last is answered"),
        pytest.param(lambda ids: ids[:1], 400, id="only the first is answered"),
        pytest.param(lambda ids: ids if len(ids) == 1 else ["ivo://b/other"], 400, id="another is answered"),
    ],
)
def test_a_service_of_one_at_a_time_is_asked_for_several_once(chosen: Answer, refusal: int) -> None:
    links = Links(chosen, refusal)
    summary = harvested(links, "--concurrency", "1")
    assert sum(number > 1 for number in links.documents) == 1
    assert links.documents.count(1) in (COUNT, COUNT - 1), "the first may have been answered"
    assert (summary["saved"], summary["failed"]) == (COUNT, 0)


def test_a_service_that_answers_some_is_given_as_many() -> None:
    links = Links(lambda ids: ids[:4])
    summary = harvested(links, "--concurrency", "1")
    assert max(links.documents[1:]) <= 4
    assert summary["saved"] == COUNT
    assert len(links.documents) < 1.5 * COUNT


def test_a_fault_of_one_is_its_own() -> None:
    links = Links(lambda ids: ids, gone="7")
    summary = harvested(links, code=3)
    assert (summary["saved"], summary["failures"]) == (COUNT - 1, {"not_found": 1})


@pytest.mark.slow
def test_worker_processes_ask_for_the_links_of_their_shards() -> None:
    links = Links(lambda ids: ids)
    summary = harvested(links, "--processes", "2")
    assert summary["saved"] == COUNT
    assert sum(links.documents) == COUNT
    assert len(links.documents) < COUNT
    assert summary["requests"] == COUNT + len(links.documents)


def test_rows_are_distinguished_by_their_identifier() -> None:
    rows = [[f"IVO://a/{number}", f"http://h/{number}", "#this", "application/fits", ""] for number in (2, 1)]
    found = files_of(answer(rows, COLUMNS).encode(), "http://h/links", ["ivo://a/1", "ivo://a/2", "ivo://a/3"])
    assert found == {"ivo://a/1": "http://h/1", "ivo://a/2": "http://h/2"}


def test_a_target_is_claimed_once_and_keeps_its_turn() -> None:
    targets = [Target(SpectrumId(f"ivo://a/{number}"), str(number)) for number in range(6)]
    ahead = LookAhead(targets)
    taken = [next(ahead), next(ahead)]
    assert ahead.claim(taken[0], 4) == targets[:4]
    assert ahead.claim(taken[1], 4) == [], "it is in the first document"
    third, fourth, fifth = next(ahead), next(ahead), next(ahead)
    assert [third, fourth, fifth] == targets[2:5]
    assert ahead.claim(third, 4) == []
    assert ahead.claim(fifth, 4) == targets[4:]
    assert list(ahead) == targets[5:]


async def test_who_waits_for_a_document_and_keeps_its_request_from_a_slot_goes_on_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A redirect, or a repeat on a new connection, needs a slot; without a limit both would wait for ever."""
    monkeypatch.setattr(link_batches, "LONGEST_WAIT", 0.01)
    targets = [Target(SpectrumId(f"ivo://a/{number}"), str(number)) for number in range(2)]
    links = LinkBatches("http://h/links", 2, LookAhead(targets))
    first, second = links.ahead
    gone_on = asyncio.Event()

    async def redirected(url: str) -> Fetched:
        await gone_on.wait()
        rows = [[each.did, f"http://h/{each.name}", "#this", "application/fits", ""] for each in targets]
        return Fetched(answer(rows, COLUMNS).encode(), url)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        found = group.create_task(links.address(first, redirected))
        await asyncio.sleep(0)
        assert await links.address(second, redirected) == ("", False)
        gone_on.set()
    assert found.result() == ("http://h/0", True)
    assert links._addresses == {}, "what came too late is not kept"


class ShortLived(Links):
    """A service whose addresses hold for the first spectrum of a document alone, and for ``gone`` never."""

    def _row(self, did: str) -> list[str]:
        number = did.rpartition("/")[2]
        valid = "" if self.documents[-1] == 1 or number == "0" else "old/"
        return [did, f"BASE/files/{valid}{number}.fits", "#this", "application/fits", ""]

    def __call__(self, request: web.Request) -> web.Response:
        if request.path.startswith("/files/old/") or request.path == f"/files/{self._gone}.fits":
            self.files.append(request.path)
            return web.Response(status=403, text="Request has expired")
        return super().__call__(request)


@pytest.mark.parametrize("gone", ["", "7"])
def test_an_address_that_expired_is_requested_once_more(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_batches, "SHORTEST_VALIDITY", 0.0)
    links = ShortLived(lambda ids: ids, gone=gone)
    summary = harvested(links, code=3 if gone else 0)
    assert summary["failures"] == ({"forbidden": 1} if gone else {})
    assert len(fits_names(Path("out"))) == COUNT - bool(gone)
    assert links.documents == [COUNT, *[1] * (COUNT - 1)]
    assert summary["requests"] == COUNT + 2 * (COUNT - 1) + 1


def test_an_address_that_is_refused_at_once_has_not_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_batches, "SHORTEST_VALIDITY", 1e9)
    links = ShortLived(lambda ids: ids)
    summary = harvested(links, "--concurrency", "1", code=3)
    assert summary["failures"] == {"forbidden": COUNT - 1}
    assert sum("/old/" in file for file in links.files) == COUNT - 1
    assert len(links.documents) < 10, "but for those of probes"


class Clock:
    """The time of batches, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_several_are_requested_again_some_time_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(link_batches, "_now", clock)
    targets = [Target(SpectrumId(f"ivo://a/{number}"), str(number)) for number in range(9)]
    links = LinkBatches("http://h/links", 3, LookAhead(targets))
    is_broken = True
    requests: list[int] = []

    async def request(url: str) -> Fetched:
        dids = [value for _, value in parse_qsl(urlsplit(url).query)]
        requests.append(len(dids))
        if is_broken:
            raise FetchError(Failure(FailureKind.SERVER_ERROR, "HTTP 500", 500), url)
        rows = [[did, f"http://h/{did[-1]}", "#this", "application/fits", ""] for did in dids]
        return Fetched(answer(rows, COLUMNS).encode(), url)

    async def addresses(number: int) -> list[tuple[str, bool]]:
        return [await links.address(next(links.ahead), request) for _ in range(number)]

    assert await addresses(2) == [("", True), ("", False)], "the second was in the document that failed"
    is_broken = False
    assert await addresses(2) == [("", False)] * 2
    clock.now += link_batches.FIRST_REST
    assert await addresses(3) == [("http://h/4", True), ("http://h/5", False), ("http://h/6", False)]
    assert requests == [3, 3]


def test_identifiers_that_are_unknown_there_do_not_make_documents_smaller() -> None:
    links = Links(lambda ids: [did for did in ids if did[-1] != "3"])
    summary = harvested(links, "--concurrency", "1", profile="links_per_request = 8\n", code=3)
    assert links.documents.count(8) >= 2
    assert summary["saved"] == COUNT - 2
