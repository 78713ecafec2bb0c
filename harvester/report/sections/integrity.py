"""Sizes, digests, provenance as text, and how to verify and cite the spectra."""

from __future__ import annotations

import shlex

import numpy as np

from ..._version import __version__
from ...dataset.rights import stated_rights
from ...formatting import count, plain_line, plural, size
from ...model.invocation import command_line
from ..data.report_data import ReportData
from ..data.sampling import MOST_AT_RUN_END, MOST_READ
from ..html import Child, command, definitions, element, table
from .overview import moment


def sizes(data: ReportData) -> Child:
    """Return how much is stored, and the one digest of all of it."""
    sample = data.sample
    each = [one.stored.size for one in sample.spectra if one.stored.size]
    usual = f"median {size(float(np.median(each)))}, from {size(min(each))} to {size(max(each))}" if each else "unknown"
    rows: list[tuple[str, Child]] = [
        ("spectra", count(sample.stored)),
        ("bytes", f"{count(sample.bytes)} ({size(sample.bytes)})"),
        ("size of a file", usual),
        ("SHA-256 of all", element("code", sample.digest)),
    ]
    if sample.structure_only:
        rows.append(("level structure", f"{plural(sample.structure_only, 'file')} in which no reader finds a spectrum"))
    read = plural(len(sample.spectra) + len(sample.damaged) + sample.structure_only, "file")
    text = (
        f"Of {count(sample.stored)} spectra {count(len(sample.spectra))} were read for this page, a sample that is the "
        "same each time: gallery, dates, sky and label checks are about these, all counts about all. The command "
        f"`report` reads up to {count(MOST_READ)}; a run that has just ended, {count(MOST_AT_RUN_END)}."
        if sample.sampled
        else f"All {read} were read for this page and are what was stored, byte for byte."
    )
    return [definitions(rows), element("p", text, class_="note") if sample.stored else None, _damaged(data)]


def _damaged(data: ReportData) -> Child:
    damaged = data.sample.damaged
    if not damaged:
        return None
    rows: list[list[Child]] = [[plain_line(name, 80), plain_line(detail, 200)] for name, detail in damaged[:10]]
    rest = len(damaged) - len(rows)
    foot = f"and {count(rest)} more" if rest else ""
    listed = table("Files that have changed since they were stored", ("file", "what is wrong"), rows, foot)
    return [listed, command(command_line("verify", "--fix", "--out", data.record.store.location))]


def provenance(data: ReportData) -> Child:
    """Return where the spectra come from, in sentences."""
    record, settings = data.record, data.record.settings
    ledger_run, host = record.ledger_run, record.politeness.get("host", "")
    when = f"on {moment(ledger_run.started)}, " if ledger_run else ""
    archive = plain_line(f"{data.archive}{f' at {host}' if host else ''}", 160)
    catalog = plain_line(str(settings.get("catalog") or "the archive's own list"), 200)
    sentences = [
        f"Run {record.run} began {when}on the machine {plain_line(ledger_run.host, 60)}."
        if ledger_run else f"Run {record.run}.",
        f"It requested the spectra in {catalog} from {archive}; all spectra of this folder were requested with "
        f"{plain_line(record.request_key, 300)}." if record.request_key else "",
        "Each response was verified to be complete, to be the requested spectrum, and to be sound before its file got "
        "its name; the ledger has for each the requested address, the time, and two digests: of the file, and of its "
        "content without the cards that the server rewrites at every request.",
        f"This page was made on {moment(data.made)} by harvester {__version__}.",
    ]  # fmt: skip
    if record.folder.provenance.exists():
        sentences.append(f"For programs, {record.folder.provenance.name} in the run's folder has the same as W3C PROV.")
    return element("p", " ".join(sentence for sentence in sentences if sentence))


def verify_and_cite(data: ReportData) -> Child:
    """Return how to verify the files, now and in twenty years, and how to cite them."""
    folder = data.record.store.location
    ledger_run = data.record.ledger_run
    day = moment(ledger_run.started)[:10] if ledger_run else ""
    stated: list[tuple[str, Child]] = list(stated_rights(data.profile))
    return [
        element("p", "Verify every file again, with harvester or with standard tools:"),
        command(command_line("verify", "--out", folder)),
        command(f"cd {shlex.quote(folder)} && sha256sum -c SHA256SUMS && sha256sum SHA256SUMS"),
        element("p", "The last line is the SHA-256 of all, above, as long as no file was added or removed."),
        definitions(stated) if stated else None,
        element(
            "p",
            "When you publish, name the archive, the publisher DIDs of the spectra (ivo://…, one in each file and in "
            "the catalog) and the day they were downloaded"
            + (". As in:" if stated else "; ask the archive for the acknowledgement it wants. As in:"),
        ),
        element(
            "blockquote",
            plain_line(
                f"Based on {plural(data.sample.stored, 'spectrum', 'spectra')} of {data.archive}, retrieved "
                f"{day} with harvester {__version__}; SHA-256 of all: {data.sample.digest[:16]}….", 400,
            ),
        ),
    ]  # fmt: skip
