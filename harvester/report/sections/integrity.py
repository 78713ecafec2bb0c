"""Sizes, digests, provenance in words, and how to verify and cite what is there."""

from __future__ import annotations

import shlex

import numpy as np

from ..._version import __version__
from ...formatting import count, plain_line, plural, size
from ...model.invocation import command_line
from ...storage.run_folder import PROVENANCE
from ..data.report_data import ReportData
from ..data.sampling import MOST_AT_THE_END, MOST_READ
from ..html import Child, command, definitions, element, table
from .overview import moment


def sizes(material: ReportData) -> Child:
    """How much there is, and the one number that stands for all of it."""
    survey = material.survey
    each = [seen.stored.size for seen in survey.seen if seen.stored.size]
    usual = f"median {size(float(np.median(each)))}, from {size(min(each))} to {size(max(each))}" if each else "unknown"
    rows: list[tuple[str, Child]] = [
        ("spectra", count(survey.stored)),
        ("bytes", f"{count(survey.bytes)} ({size(survey.bytes)})"),
        ("a file", usual),
        ("SHA-256 of all", element("code", survey.digest)),
    ]
    read = plural(len(survey.seen) + len(survey.damaged), "file")
    words = (
        f"Of {count(survey.stored)} spectra {count(len(survey.seen))} were read for this page, a sample that is the "
        "same each time: gallery, dates, sky and label checks tell of these, all counts of all. The command `report` "
        f"reads up to {count(MOST_READ)}; a run that has just ended, {count(MOST_AT_THE_END)}."
        if survey.sampled
        else f"All {read} were read for this page and are what was stored, byte for byte."
    )
    return [definitions(rows), element("p", words, class_="note") if survey.stored else None, _damaged(material)]


def _damaged(material: ReportData) -> Child:
    damaged = material.survey.damaged
    if not damaged:
        return None
    rows: list[list[Child]] = [[plain_line(name, 80), plain_line(words, 200)] for name, words in damaged[:10]]
    rest = len(damaged) - len(rows)
    listed = table(
        "Files that are not what was stored", ("file", "what is wrong"), rows, f"and {rest} more" if rest else ""
    )
    return [listed, command(command_line("verify", "--fix", "--out", material.record.store.location))]


def provenance(material: ReportData) -> Child:
    """Where all this comes from, in sentences."""
    books, asked = material.record, material.record.asked
    record, host = books.record, books.politeness.get("host", "")
    when = f"on {moment(record.started)}, " if record else ""
    whom = plain_line(f"{material.archive}{f' at {host}' if host else ''}", 160)
    catalog = plain_line(str(asked.get("catalog") or "the archive's own list"), 200)
    sentences = [
        f"Run {books.run} began {when}on the machine {plain_line(record.host, 60)}." if record else f"Run {books.run}.",
        f"It asked {whom} for the spectra in {catalog}; the spectra of this folder were all asked for with "
        f"{plain_line(books.request_key, 300)}." if books.request_key else "",
        "Each answer was proved to be whole, to be the spectrum asked for, and to be sound before it got its name; the "
        "ledger keeps for each the address asked, the time, and two digests: of the file, and of its content without "
        "what the server rewrites at every request.",
        f"This page was made on {moment(material.made)} by harvester {__version__}.",
    ]  # fmt: skip
    if books.folder.provenance.exists():
        sentences.append(f"For programs, {PROVENANCE} in the run's folder tells the same as W3C PROV.")
    return element("p", " ".join(sentence for sentence in sentences if sentence))


def care(material: ReportData) -> Child:
    """How to verify, today and in twenty years, and how to cite."""
    folder = material.record.store.location
    record = material.record.record
    day = moment(record.started)[:10] if record else ""
    return [
        element("p", "Every file again, by our own proofs or by anybody's tools:"),
        command(command_line("verify", "--out", folder)),
        command(f"cd {shlex.quote(folder)} && sha256sum -c SHA256SUMS && sha256sum SHA256SUMS"),
        element("p", "The last line is the SHA-256 of all, above, as long as nothing came or went."),
        element(
            "p",
            "When you publish, name the archive, the publisher DIDs of the spectra (ivo://…, one in each file and in "
            "the catalog) and the day they were fetched; ask the archive for the acknowledgement it wants. As in:",
        ),
        element(
            "blockquote",
            plain_line(
                f"Based on {plural(material.survey.stored, 'spectrum', 'spectra')} of {material.archive}, retrieved "
                f"{day} with harvester {__version__}; SHA-256 of all: {material.survey.digest[:16]}….", 400,
            ),
        ),
    ]  # fmt: skip
