"""The label checks on the page: spectra whose labels deserve a second look.

Nothing was changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dataset.label_checks import LabelIssue
from ...formatting import count, plain_line, plural
from ...model.invocation import command_line
from ..data.report_data import ReportData
from ..html import Child, Markup, command, element, table

SHOWN = 8  # of each check


def label_issues(data: ReportData) -> Child:
    """Return the results of all label checks."""
    found = data.labels
    conflicts = [LabelIssue((each.did,), (each.kept, each.other), "the first label counts") for each in data.conflicts]
    column = plain_line(found.column, 60)
    if not found.checked and not found.missing and not found.conflicting:
        text = f"The catalog has no labels in a column {column!r} (the setting labels.column names another)."
        return element("p", text, class_="note")
    checks = [
        _check("listed with different labels", conflicts, len(conflicts), data),
        _check("labelled, but missing in the archive", found.missing, len(found.missing), data),
        _check("with two labels in the catalog", found.conflicting, len(found.conflicting), data),
        _check("without Hα in their range", found.without_h_alpha, len(found.without_h_alpha), data),
        _emission(data),
        _check("pairs that are nearly identical under different labels", found.twins, found.twins_counted, data),
    ]
    intro = (
        f"{plural(found.checked, 'labelled spectrum', 'labelled spectra')} checked. What is listed may be right; "
        "nothing was left out or changed because of it."
    )
    full = [
        element("p", "The complete list as JSON:"),
        command(command_line("report", data.record.run, "--out", data.record.store.location, "--json")),
    ]
    return [element("p", intro), checks, full]


def _emission(data: ReportData) -> Markup:
    found, labelling = data.labels, data.labelling
    if found.no_emission is None:
        text = "Emission check skipped: set emission under [labels] in config.toml."
        return element("p", text, class_="note")
    present = [label for label in labelling.emission if label in data.sample.by_label]
    meant = ", ".join(labelling.named(label) for label in present or labelling.emission)
    return _check(
        f"labelled as emission ({plain_line(meant, 120)}) without any near Hα",
        found.no_emission,
        len(found.no_emission),
        data,
    )


def _check(what: str, found: Sequence[LabelIssue], number: int, data: ReportData) -> Markup:
    sign, name = ("✓", "good") if not number else ("!", "care")
    head = element("h3", element("span", sign, class_=f"sign {name}", aria_hidden="true"), f" {count(number)} {what}")
    if not found:
        return element("article", head, class_="check")
    rows = [
        [
            [element("span", plain_line(did, 160), class_="did") for did in issue.dids],
            ", ".join(plain_line(data.labelling.named(label), 40) for label in issue.labels),
            plain_line(issue.reason, 160),
        ]
        for issue in found[:SHOWN]
    ]
    rest = number - len(rows)
    return element(
        "article",
        head,
        table("", ("spectrum", "label", "reason"), rows, f"and {count(rest)} more" if rest else ""),
        class_="check",
    )
