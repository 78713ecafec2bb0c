"""Credentials and proxies: who gets what, and what is never sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.archive.connection import Authentication, Connection
from harvester.config.loading import load
from harvester.config.profiles import load_profile
from harvester.errors import UsageError

TOKEN = Authentication(token="ARCHIVE_TOKEN")
PAIR = Authentication(user="ARCHIVE_USER", password="ARCHIVE_PASSWORD")
HOSTS = frozenset({"a.example", "files.example"})


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ARCHIVE_TOKEN", "t0k"), ("ARCHIVE_USER", "me"), ("ARCHIVE_PASSWORD", "p:w")):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("auth", "header"), [(TOKEN, "Bearer t0k"), (PAIR, "Basic bWU6cDp3")])
def test_credentials_go_to_the_listed_hosts_over_https(auth: Authentication, header: str) -> None:
    connection = Connection(auth, HOSTS)
    for url in ("https://a.example/x", "https://files.example:8443/x"):
        assert connection.headers(url, url) == {"Authorization": header}


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.example/x", "http://a.example/x"),
        ("http://a.example/x", "https://a.example/x"),
        ("https://other.example/x", "https://other.example/x"),
        ("https://files.example/x", "https://a.example/x"),
    ],
    ids=["no TLS", "TLS given up", "another host", "redirected to another host, though it is listed"],
)
def test_credentials_are_sent_nowhere_else(url: str, origin: str) -> None:
    assert Connection(TOKEN, HOSTS).headers(url, origin) == {}


def profile_with(tmp_path: Path, auth: str) -> str:
    file = tmp_path / "p.toml"
    text = 'name = "p"\ntitle = "P"\nmode = "direct"\nhosts = ["files.example"]\nendpoint = "https://a.example/{id}"\n'
    file.write_text(f"{text}[auth]\n{auth}\n", encoding="utf-8")
    return str(file)


def test_a_profile_names_variables_and_keeps_no_value(tmp_path: Path) -> None:
    file = profile_with(tmp_path, 'token = "ARCHIVE_TOKEN"')
    connection = load({"archive": file}).connection
    assert connection.hosts == {"a.example", "files.example"}
    assert "t0k" not in repr(connection) + load_profile(file).as_toml() + load({"archive": file}).as_toml()


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHIVE_TOKEN")
    configuration = load({"archive": profile_with(tmp_path, 'token = "ARCHIVE_TOKEN"')})
    with pytest.raises(UsageError, match="the environment variable ARCHIVE_TOKEN, which is not set"):
        _ = configuration.connection


HALVES = ['user = "A"', 'token = "A"\nuser = "B"\npassword = "C"', "hosts = []", 'secret = "x"']


@pytest.mark.parametrize("auth", HALVES)
def test_half_of_a_credential_is_refused(tmp_path: Path, auth: str) -> None:
    with pytest.raises(UsageError, match=r"\[auth\] needs token, or user and password|secret"):
        load_profile(profile_with(tmp_path, auth))


def test_a_proxy_is_used_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "near.example")
    assert Connection().proxy_for("https://a.example/") is None
    assert Connection(proxy="http://mine.example:1").proxy_for("https://a.example/") == "http://mine.example:1"
    assert Connection(proxy="env").proxy_for("https://a.example/") == "http://proxy.example:3128"
    assert Connection(proxy="env").proxy_for("https://near.example/") is None
    assert load({"archive": "ondrejov", "proxy": "env"}).connection.proxy == "env"


@pytest.mark.parametrize("proxy", ["proxy.example:3128", "socks5://proxy.example", "http://me:secret@proxy.example:1"])
def test_what_is_no_proxy_is_refused_without_its_password(proxy: str) -> None:
    with pytest.raises(UsageError) as refused:
        load({"archive": "ondrejov", "proxy": proxy})
    assert "proxy" in str(refused.value)
    assert "secret" not in str(refused.value)
