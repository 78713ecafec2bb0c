"""Who is let in: this user's browser, from the page itself."""

from __future__ import annotations

import pytest

from harvester.browse.access_rules import HEADERS, AccessRules

RULES = AccessRules(8123, "secret")
HOST = {"Host": "127.0.0.1:8123"}
COOKIE = {"harvester-8123": "secret"}
CHANGE = {**HOST, "Origin": "http://127.0.0.1:8123", "Content-Type": "application/json"}


def test_the_address_lets_in_and_so_does_the_cookie_that_it_sets() -> None:
    assert RULES.refusal("GET", HOST, {"token": "secret"}, {}) is None
    assert RULES.refusal("GET", HOST, {}, COOKIE) is None
    assert RULES.refusal("GET", {"Host": "localhost:8123"}, {}, COOKIE) is None, "as through an SSH tunnel"
    assert RULES.refusal("POST", CHANGE, {}, COOKIE) is None
    assert RULES.url == "http://127.0.0.1:8123/?token=secret"


@pytest.mark.parametrize(
    ("method", "headers", "query", "cookies", "why"),
    [
        ("GET", HOST, {}, {}, "token"),
        ("GET", HOST, {"token": "wrong"}, {}, "token"),
        ("GET", HOST, {"token": "šecret"}, {}, "token"),
        ("GET", HOST, {}, {"harvester-8123": "\udcff"}, "token"),
        ("GET", HOST, {}, {"harvester-9999": "secret"}, "token"),
        ("GET", {"Host": "evil.example:8123"}, {}, COOKIE, "Host"),
        ("GET", {"Host": "127.0.0.1"}, {}, COOKIE, "Host"),
        ("GET", {}, {}, COOKIE, "Host"),
        ("GET", {**HOST, "Origin": "http://127.0.0.1:8000"}, {}, COOKIE, "another page"),
        ("GET", {**HOST, "Origin": "null"}, {}, COOKIE, "another page"),
        ("POST", {**CHANGE, "Origin": "http://evil.example"}, {}, COOKIE, "another page"),
        ("POST", {**CHANGE, "Content-Type": "text/plain"}, {}, COOKIE, "from the page"),
        ("POST", {**HOST, "Content-Type": "application/json"}, {}, COOKIE, "from the page"),
        ("POST", CHANGE, {}, {}, "token"),
    ],
)  # fmt: skip
def test_everything_else_is_refused(
    method: str, headers: dict[str, str], query: dict[str, str], cookies: dict[str, str], why: str
) -> None:
    refusal = RULES.refusal(method, headers, query, cookies)
    assert refusal is not None
    assert why in refusal
    assert "secret" not in refusal


def test_no_policy_lets_foreign_or_inline_scripts_in() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "*" not in policy


def test_tokens_are_long_and_each_server_has_its_own() -> None:
    one, other = AccessRules(1).token, AccessRules(1).token
    assert one != other
    assert len(one) >= 43, "256 bits"
    assert one not in repr(AccessRules(1, one))
