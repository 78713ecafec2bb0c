"""Label sanity on the page: what somebody should look at again. Nothing was changed."""

from __future__ import annotations

from collections.abc import Sequence

from ...dataset.label_checks import LabelIssue
from ...formatting import count, plain_line, plural
from ...model.invocation import command_line
from ..data.report_data import ReportData
from ..html import Child, Markup, command, element, table

SHOWN = 8  # of each check


def doubts(material: ReportData) -> Child:
    found = material.labels
    column = plain_line(found.column, 60)
    if not found.checked and not found.lacking:
        words = f"The catalog has no labels in a column {column!r} (the setting labels.column names another)."
        return element("p", words, class_="note")
    checks = [
        _check("labelled, but the archive lacks them", found.lacking, len(found.lacking), material),
        _check("without Hα in their range", found.without_h_alpha, len(found.without_h_alpha), material),
        _emission(material),
        _check("pairs that are nearly identical under different labels", found.twins, found.twins_counted, material),
    ]
    intro = (
        f"{plural(found.checked, 'labelled spectrum', 'labelled spectra')} looked at. What is listed may be right; "
        "nothing was left out or changed because of it."
    )
    full = [
        element("p", "All of them, for a program:"),
        command(command_line("report", material.record.run, "--out", material.record.store.location, "--json")),
    ]
    return [element("p", intro), checks, full]


def _emission(material: ReportData) -> Markup:
    found, labelling = material.labels, material.labelling
    if found.no_emission is None:
        words = "Nobody said which labels mean emission ([labels] emission = [...] in config.toml), so nobody looked."
        return element("p", words, class_="note")
    there = [label for label in labelling.emission if label in material.survey.by_label]
    meant = ", ".join(labelling.named(label) for label in there or labelling.emission)
    return _check(
        f"labelled as emission ({plain_line(meant, 120)}) without any near Hα",
        found.no_emission,
        len(found.no_emission),
        material,
    )


def _check(what: str, found: Sequence[LabelIssue], number: int, material: ReportData) -> Markup:
    sign, name = ("✓", "good") if not number else ("!", "care")
    head = element("h3", element("span", sign, class_=f"sign {name}", aria_hidden="true"), f" {count(number)} {what}")
    if not found:
        return element("article", head, class_="check")
    rows = [
        [
            [element("span", plain_line(did, 160), class_="did") for did in doubt.dids],
            ", ".join(plain_line(material.labelling.named(label), 40) for label in doubt.labels),
            plain_line(doubt.why, 160),
        ]
        for doubt in found[:SHOWN]
    ]
    rest = number - len(rows)
    return element(
        "article",
        head,
        table("", ("spectrum", "label", "why"), rows, f"and {count(rest)} more" if rest else ""),
        class_="check",
    )
