"""A data set on its way to the Hugging Face Hub: by its own client, to a stand-in on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants

from harvester.cli import commands
from harvester.errors import ArchiveError, UsageError

COUNT = 6
RIGHTS = '[origin]\nrights = "CC BY 4.0"\npublisher = "An observatory"\n'


class Hub(ThreadingHTTPServer):
    """The endpoints that an upload of small files needs. ``refuses``: what a commit is refused with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.created: list[dict[str, Any]] = []
        self.commits = 0
        self.refuses = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        tree = "/tree/" in self.path
        self._send(
            [{"type": "file", "path": name, "size": 1, "oid": "0"} for name in self.server.files] if tree else {}
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers.get("authorization", ""))
        if self.path.endswith("/repos/create"):
            self.server.created.append(json.loads(body))
            self._send({"url": f"{self.server.url}/datasets/me/stars", "name": "me/stars"})
        elif "/preupload/" in self.path:
            names = [one["path"] for one in json.loads(body)["files"]]
            self._send({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._send({})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        if self.server.refuses:
            self._send({"error": self.server.refuses}, 403)
            return
        for line in lines:
            if line["key"] == "file":
                self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del self.server.files[line["value"]["path"]]
        self.server.commits += 1
        address = f"{self.server.url}/datasets/me/stars/commit/1"
        self._send({"success": True, "commitOid": "1", "commitUrl": address, "hookOutput": ""})

    def _send(self, value: object, status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_made_up")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Export = Callable[..., Result]


@pytest.fixture
def export(harvested: Path, tmp_path: Path) -> Export:
    def run(*arguments: str, rights: str = RIGHTS) -> Result:
        profile = tmp_path / "mine.toml"
        profile.write_text(f'name = "demo"\ntitle = "demo"\nendpoint = "http://127.0.0.1:9/dlget"\n{rights}')
        fixed = ["--archive", str(profile), "--out", str(harvested)]
        return CliRunner().invoke(commands, ["export", *arguments, *fixed], standalone_mode=False)

    return run


def test_a_data_set_with_stated_rights_is_uploaded_as_it_is(hub: Hub, export: Export, tmp_path: Path) -> None:
    done = export("stars/", "--push", "me/stars", "--private")
    assert done.return_value == 0, (done.output, done.exception)
    assert f"uploaded: {hub.url}/datasets/me/stars/commit/1" in done.output
    local = {str(path.relative_to("stars")): path.read_bytes() for path in Path("stars").rglob("*") if path.is_file()}
    assert hub.files == local
    assert "CC BY 4.0" in hub.files["README.md"].decode()
    assert (hub.created[0]["type"], hub.created[0]["visibility"]) == ("dataset", "private")
    assert hub.tokens == {"Bearer hf_made_up"}
    assert hub.commits == 1


def test_files_of_an_earlier_upload_are_removed(hub: Hub, export: Export) -> None:
    hub.files["data/old-00000-of-00001.parquet"] = b"old"
    hub.files["mine.txt"] = b"mine"
    assert export("stars/", "--push", "me/stars").return_value == 0
    assert "data/old-00000-of-00001.parquet" not in hub.files
    assert hub.files["mine.txt"] == b"mine"


@pytest.mark.parametrize(
    ("arguments", "rights", "sentence"),
    [
        (["stars/", "--push", "me/stars"], "", r"^--push me/stars: the profile demo does not state the rights"),
        (["s.parquet", "--push", "me/stars"], RIGHTS, r"^--push me/stars: a folder is uploaded, not a file"),
        (["stars/", "--push", "stars"], RIGHTS, r"^--push 'stars': the name of a repository is expected"),
    ],
    ids=["rights", "file", "name"],
)
def test_what_cannot_be_pushed_is_refused_before_it_is_written(
    hub: Hub, export: Export, arguments: list[str], rights: str, sentence: str
) -> None:
    done = export(*arguments, rights=rights)
    assert isinstance(done.exception, UsageError)
    with pytest.raises(UsageError, match=sentence):
        raise done.exception
    assert not Path(arguments[0]).exists()
    assert not hub.created


def test_without_a_token_it_says_how_to_get_one(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    done = export("stars/", "--push", "me/stars")
    assert "no token of the Hugging Face Hub; log in with `hf auth login`" in str(done.exception)


def test_a_refusal_is_given_in_the_words_of_the_hub(hub: Hub, export: Export) -> None:
    hub.refuses = "You have no right to write to me/stars"
    done = export("stars/", "--push", "me/stars")
    assert isinstance(done.exception, UsageError)
    assert "is written, but not uploaded; the Hub says: You have no right to write" in str(done.exception)
    assert Path("stars/README.md").exists()


def test_a_hub_that_is_not_there_is_an_outage(hub: Hub, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    done = export("stars/", "--push", "me/stars")
    assert isinstance(done.exception, ArchiveError), done.exception
    assert "the Hub cannot be reached" in str(done.exception)
