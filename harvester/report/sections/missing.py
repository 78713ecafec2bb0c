"""What is not there and why: grouped by kind, in the server's own words, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ...formatting import count, plain_line, plural
from ...ledger.queries import FailureRecord
from ...model.invocation import command_line
from ..data.report_data import ReportData
from ..data.run_record import again
from ..html import Child, Markup, command, element, table

WORDINGS = 3  # of each kind
EXAMPLES = 6  # spectra of each wording
WHOSE = {
    "archive": "the archive's",
    "network": "the network's",
    "spectrum": "the spectrum's own",
    "client": "the client's",
}


def absent(material: ReportData) -> Child:
    """Nothing is missing, or what is, and the commands to type next."""
    books = material.record
    waiting = sum(material.survey.by_status.get(status, (0, 0))[0] for status in ("wanted", "retry"))
    if not books.failures and not waiting:
        return element("p", "Nothing is missing.", class_="lead")
    groups = [list(group) for _, group in groupby(books.failures, key=lambda failure: failure.kind)]
    groups.sort(key=lambda members: (-len(members), members[0].kind))
    again_all = [
        element("p", "All of them, with every word:"),
        command(command_line("failures", "--out", books.store.location)),
    ]
    return [
        _waiting(waiting, material),
        [_kind(members, material) for members in groups],
        again_all if groups else None,
    ]


def _waiting(number: int, material: ReportData) -> Child:
    if not number:
        return None
    return element(
        "article",
        element("h3", element("span", count(number), class_="number"), " not asked for yet, or to be asked again"),
        element("p", "The run ended before their turn came. The same settings again go on where it stopped:"),
        command(again(material.record.store, material.record.run)),
        class_="kind",
    )


def _kind(members: Sequence[FailureRecord], material: ReportData) -> Markup:
    kind = members[0].kind
    books = material.record
    passing = "This may pass: another run is worth it." if kind.transient else "Another run is not likely to help."
    only_failed = f"{again(books.store, books.run)} --only-failed"
    number = element("span", count(len(members)), class_="number")
    return element(
        "article",
        element("h3", number, f" {kind.meaning} ", element("code", kind.value)),
        element("p", f"Whose fault: {WHOSE[kind.blame]}. {passing} What to do: {kind.advice}."),
        _examples(members),
        command(only_failed) if kind.transient else None,
        class_="kind",
    )  # fmt: skip


def _examples(members: Sequence[FailureRecord]) -> Markup:
    """Each wording once, with how many and which spectra it was said of."""
    said: dict[str, list[FailureRecord]] = {}
    for failure in members:
        said.setdefault(_wording(failure), []).append(failure)
    often = sorted(said.items(), key=lambda item: -len(item[1]))
    rows: list[list[Child]] = [[count(len(those)), words, _names(those)] for words, those in often[:WORDINGS]]
    rest = sum(len(those) for _, those in often[WORDINGS:])
    foot = f"and {count(rest)} more in {plural(len(often) - WORDINGS, 'other wording')}" if rest else ""
    return table("", ("of", "in the server's words, or the proof's", "spectra"), rows, foot)


def _wording(failure: FailureRecord) -> str:
    name = failure.did.rpartition("/")[2]
    return plain_line(failure.detail.replace(failure.did, "…").replace(name, "…"), 300)


def _names(members: Sequence[FailureRecord]) -> Markup:
    shown = ", ".join(plain_line(failure.did.rpartition("/")[2], 60) for failure in members[:EXAMPLES])
    return element("code", f"{shown}, …" if len(members) > EXAMPLES else shown)
