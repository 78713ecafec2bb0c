"""The missing spectra by failure kind, with the server's messages and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from ...formatting import count, plain_line, plural
from ...ledger.queries import FailureRecord
from ...model.failures import FailureKind
from ...model.invocation import command_line
from ..data.report_data import ReportData
from ..data.run_record import again
from ..html import Child, Markup, command, element, table

MESSAGES = 3  # of each kind
EXAMPLES = 6  # spectra of each message
CAUSES = {
    "archive": "the archive",
    "network": "the network",
    "spectrum": "the spectrum itself",
    "client": "harvester or its settings",
}
_NUMBER = re.compile(r"\d(?:\d| (?=\d{3}\b))*")  # blanks separate thousands


def missing(data: ReportData) -> Child:
    """Return what is missing, and the commands to type next."""
    record = data.record
    waiting = data.sample.waiting
    if not record.failures and not waiting:
        return element("p", "Nothing is missing.", class_="lead")
    groups = [list(group) for _, group in groupby(record.failures, key=lambda failure: failure.kind)]
    groups.sort(key=lambda members: (-len(members), members[0].kind))
    complete = [
        element("p", "The complete list, with all messages:"),
        command(command_line("failures", "--out", record.store.location)),
    ]
    return [
        _waiting(waiting, data),
        [_kind(members, data) for members in groups],
        complete if groups else None,
    ]


def _waiting(number: int, data: ReportData) -> Child:
    if not number:
        return None
    return element(
        "article",
        element("h3", element("span", count(number), class_="number"), " not requested yet, or due for a retry"),
        element("p", "The run ended before these were downloaded. The same settings resume it:"),
        command(again(data.record.store, data.record.run)),
        class_="kind",
    )


def is_worth_another_run(kind: FailureKind) -> bool:
    """Return whether another run may fetch a spectrum that failed so.

    Never against the kind's own advice.
    """
    return kind.transient or "run again" in kind.advice


def _kind(members: Sequence[FailureRecord], data: ReportData) -> Markup:
    kind = members[0].kind
    record = data.record
    again_worth = is_worth_another_run(kind)
    prospect = "Another run may download them." if again_worth else "Another run is not likely to help."
    only_failed = f"{again(record.store, record.run)} --only-failed"
    number = element("span", count(len(members)), class_="number")
    return element(
        "article",
        element("h3", number, f" {kind.meaning} ", element("code", kind.value)),
        element("p", f"Cause: {CAUSES[kind.blame]}. {prospect} What to do: {kind.advice}."),
        _examples(members),
        command(only_failed) if again_worth else None,
        class_="kind",
    )  # fmt: skip


def _examples(members: Sequence[FailureRecord]) -> Markup:
    """Return each message once, with the number of its spectra and some of their names.

    Messages that differ in nothing but numbers, or the spectrum's own name, are one message.
    """
    groups: dict[str, list[FailureRecord]] = {}
    for failure in members:
        groups.setdefault(_NUMBER.sub("#", _message(failure)), []).append(failure)
    often = sorted(groups.values(), key=lambda group: -len(group))
    rows: list[list[Child]] = [[count(len(group)), _common(group), _names(group)] for group in often[:MESSAGES]]
    rest = sum(len(group) for group in often[MESSAGES:])
    foot = f"and {count(rest)} more with {plural(len(often) - MESSAGES, 'other message')}" if rest else ""
    return table("", ("spectra", "message of the server, or of the check", "such as"), rows, foot)


def _message(failure: FailureRecord) -> str:
    name = failure.did.rpartition("/")[2]
    return plain_line(failure.detail.replace(failure.did, "…").replace(name, "…"), 300)


def _common(members: Sequence[FailureRecord]) -> str:
    """Return the message of all ``members``, with dots for the numbers that differ."""
    messages = [_message(failure) for failure in members]
    if len(set(messages)) == 1:
        return messages[0]
    numbers = [_NUMBER.findall(message) for message in messages]
    same = [len(set(column)) == 1 for column in zip(*numbers, strict=True)]
    kept = iter(zip(numbers[0], same, strict=True))
    return _NUMBER.sub(lambda _: next((n if alike else "…") for n, alike in kept), messages[0])


def _names(members: Sequence[FailureRecord]) -> Markup:
    shown = ", ".join(plain_line(failure.did.rpartition("/")[2], 60) for failure in members[:EXAMPLES])
    return element("code", f"{shown}, …" if len(members) > EXAMPLES else shown)
