"""Turn what discovery found into a profile, its default settings, and text."""

from __future__ import annotations

from typing import Any

from ..archive.profile import ArchiveProfile
from ..formatting import plain_line
from ..vo.descriptors import Findings
from ..vo.urls import host_of


def make_profile(findings: Findings, name: str, title: str) -> ArchiveProfile:
    """The archive as later runs need to know it. What it does not offer is not asked for by default."""
    return ArchiveProfile(
        name=name,
        title=title,
        endpoint=findings.endpoint,
        identity_card="DS_IDPUB" if findings.mode == "soda" else "",  # which DaCHS writes, and plain files lack
        step_tolerance=0.0,  # nobody promised even steps
        spectral_unit=findings.spectral_unit if findings.mode != "soda" else "",
        hosts=other_hosts(findings),
        ssap=findings.ssap,
        tap=findings.source.url if findings.source else "",
        table=findings.source.name if findings.source else "",
        mode=findings.mode,
        parameters=tuple(one.name for one in findings.inputs),
        fluxcalibs=_options(findings, "FLUXCALIB"),
        formats=_options(findings, "FORMAT"),
        settings=default_settings(findings),
    )


def default_settings(findings: Findings) -> dict[str, Any]:
    """What is asked for where the user says nothing and the usual is not offered; without SODA nothing is asked."""
    settings: dict[str, Any] = {}
    if findings.mode != "soda":
        return settings
    formats = _options(findings, "FORMAT")
    if "normalized" not in {value.casefold() for value in _options(findings, "FLUXCALIB")}:
        settings["fluxcalib"] = "none"
    if findings.input("FORMAT") is None:
        settings["format"] = "none"
    elif formats and "application/fits" not in formats:
        settings["format"] = next((value for value in formats if "fits" in value.casefold()), "none")
    return settings


def other_hosts(findings: Findings) -> tuple[str, ...]:
    """The hosts to which its addresses lead, besides the endpoint's."""
    return tuple(sorted({host for host in findings.hosts if host and host != host_of(findings.endpoint)}))


def _options(findings: Findings, name: str) -> tuple[str, ...]:
    param = findings.input(name)
    return param.options if param else ()


def in_words(findings: Findings, named: str) -> list[tuple[str, str]]:
    """What was found where ``named`` was asked, a line each: what it is about, and the words."""
    documents = findings.endpoint or "whose address the list tells"
    how = {
        "soda": f"by SODA ({findings.standard or 'by its shape'}), {findings.endpoint}",
        "datalink": f"what the datalink document of each calls #this, {documents}",
        "direct": "at the address in each row of the list; no service processes them",
    }
    lines = [("fetch", how[findings.mode]), ("ids", findings.id_column and f"in the column {findings.id_column}")]
    elsewhere = sorted({host_of(findings.endpoint), *findings.hosts} - {"", host_of(named)})
    words = "another host than you named: the archive says that its spectra are there, and later runs will ask it"
    lines.append(("hosts", f"{', '.join(elsewhere)}, {words}" if elsewhere else ""))
    if findings.mode != "soda":
        lines.append(("wavelengths", f"in {findings.spectral_unit or 'the unit that each file names'}"))
        lines.append(("proofs", "structure and science; no card is known that names the DID (see identity_card)"))
    elif findings.input("FLUXCALIB") and "fluxcalib" in default_settings(findings):
        words = "normalized is not offered: FLUXCALIB is left out, spectra come as they were observed"
        lines.append(("by default", f"{words} (--fluxcalib says otherwise)"))
    if findings.source:
        lines.append(("list", f"in pages, from the table {findings.source.name} of TAP, {findings.source.url}"))
    for param in findings.inputs:
        limits = f"{param.minimum} to {param.maximum} {param.unit}" if param.minimum or param.maximum else ""
        about = f"{limits} in what it was asked about (other spectra may differ)" if limits else "any value"
        if param.name.upper() != "ID":
            lines.append((param.name, ", ".join(param.options) or about))
    return [(plain_line(about), plain_line(words, 600)) for about, words in lines if words]
