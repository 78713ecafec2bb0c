"""Turn what discovery found into a profile, its default settings, and text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..archive.profile import ArchiveProfile
from ..formatting import count, plain_line, plural
from ..vo.descriptors import Findings
from ..vo.listing import ListingSummary
from ..vo.urls import host_of, is_inside

_MOST_HOSTS = 100  # of one list; more would be no archive
_MOST_SHOWN = 8


def make_profile(findings: Findings, name: str, title: str, listed: ListingSummary | None = None) -> ArchiveProfile:
    """Return the archive as later runs need to know it.

    What it does not offer is not requested by default.
    """
    profile = ArchiveProfile(
        name=name,
        title=title,
        endpoint=findings.endpoint,
        identity_card="DS_IDPUB" if findings.mode == "soda" else "",  # which DaCHS writes, and plain files lack
        step_tolerance=0.0,  # even steps were not promised
        spectral_unit=findings.spectral_unit if findings.mode != "soda" else "",
        hosts=other_hosts(findings),
        ssap=findings.ssap,
        tap=findings.source.url if findings.source else "",
        table=findings.source.name if findings.source else "",
        mode=findings.mode,
        parameters=tuple(one.name for one in findings.inputs),
        fluxcalibs=_options(findings, "FLUXCALIB"),
        formats=_options(findings, "FORMAT"),
        origin=findings.origin,
        settings=default_settings(findings),
    )
    if listed is None:
        return profile
    hosts = listed.hosts if findings.mode != "soda" else {}
    found = sorted(hosts, key=lambda host: (-hosts[host], host))[:_MOST_HOSTS]
    further = [host for host in found if host and host not in {*profile.hosts, host_of(findings.endpoint)}]
    profile = replace(profile, hosts=(*profile.hosts, *further))
    if profile.mode == "direct" and listed.has_links:  # which gives plain files as well
        profile = replace(profile, mode="datalink")
    return profile if listed.has_plain_ids else replace(profile, identifiers="any")


def default_settings(findings: Findings) -> dict[str, Any]:
    """Return what is requested where the user says nothing and the usual is not offered.

    Without SODA nothing is.
    """
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
    """Return the hosts to which its addresses lead, besides the endpoint's."""
    return tuple(sorted({host for host in findings.hosts if host and host != host_of(findings.endpoint)}))


def _options(findings: Findings, name: str) -> tuple[str, ...]:
    param = findings.input(name)
    return param.options if param else ()


def format_findings(findings: Findings, named: str) -> list[tuple[str, str]]:
    """Return what was found where ``named`` was requested, a line each.

    What it is about, and the words.
    """
    documents = findings.endpoint or "whose address the list has"
    how = {
        "soda": f"by SODA ({findings.standard or 'by its shape'}), {findings.endpoint}",
        "datalink": f"what the datalink document of each calls #this, {documents}",
        "direct": "at the address in each row of the list; no service processes them",
    }
    ids = f"in the column {findings.id_column}" if findings.id_column else "the addresses of the files"
    lines = [("fetch", how[findings.mode]), ("ids", ids)]
    if findings.moved_from:
        there = findings.ssap or (findings.source.url if findings.source else "")
        lines.append(("moved", f"{findings.moved_from} redirects to {there}; give that address next time"))
    elsewhere = sorted({host_of(findings.endpoint), *findings.hosts} - {"", host_of(named)})
    words = "another host than you named: the archive says that its spectra are there, and later runs will request them"
    lines.append(("hosts", f"{', '.join(elsewhere)}, {words}" if elsewhere else ""))
    lines += _about_files(findings)
    if findings.origin.citation or findings.origin.rights:
        origin = findings.origin
        lines.append(("citation", "; ".join(filter(None, (origin.publisher, origin.citation, origin.rights)))))
    if findings.files_of_sample > 1:
        words = (
            f"its datalink documents name {findings.files_of_sample} FITS files as #this; the first of each is fetched"
        )
        lines.append(("links", words))
    if findings.largest_size:
        lines.append(
            ("position", f"the service demands one: the whole sky in circles of {findings.largest_size:g} degrees")
        )
    if findings.source:
        lines.append(("list", f"in pages, from the table {findings.source.name} of TAP, {findings.source.url}"))
    for param in findings.inputs:
        limits = f"{param.minimum} to {param.maximum} {param.unit}" if param.minimum or param.maximum else ""
        about = f"{limits} in what it was asked about (other spectra may differ)" if limits else "any value"
        if param.name.upper() != "ID":
            lines.append((param.name, ", ".join(param.options) or about))
    return [(plain_line(about), plain_line(words, 600)) for about, words in lines if words]


def _about_files(findings: Findings) -> list[tuple[str, str]]:
    if findings.mode != "soda":
        return [
            ("wavelengths", f"in {findings.spectral_unit or 'the unit that each file names'}"),
            ("checks", "structure and science; no card is known that names the DID (see identity_card)"),
        ]
    if findings.input("FLUXCALIB") and "fluxcalib" in default_settings(findings):
        words = "normalized is not offered: FLUXCALIB is left out, spectra come as they were observed"
        return [("by default", f"{words} (--fluxcalib says otherwise)")]
    return []


def format_listing(listed: ListingSummary) -> str:
    """Return what came of a listing: every row that it had is in one of the numbers."""
    unreadable = list(listed.unreadable.items())
    further = sum(number for _, number in unreadable[_MOST_SHOWN:])
    counted = [
        (listed.shared_identifiers, "DID has several files", "DIDs have several files", ", listed as DID#file"),
        (listed.other_formats, "row is the same in another format", "rows are the same in other formats", ""),
        (listed.repeated, "row came again and is counted once", "rows came again and are counted once", ""),
        *(
            (number, f"row of {kind} left out", f"rows of {kind} left out", ", which cannot be read as spectra")
            for kind, number in ((plain_line(kind, 60), number) for kind, number in unreadable[:_MOST_SHOWN])
        ),
        (further, "row of another type left out", "rows of other types left out", ""),
        (listed.nameless, "row", "rows", " without an identifier or an address left out"),
        (listed.private, "row left out that leads", "rows left out that lead", " into a private network"),
        (listed.outside, "row left out", "rows left out", " that the archive sent although excluded"),
    ]
    parts = [f"{plural(listed.spectra, 'spectrum', 'spectra')} ({plural(listed.rows, 'row')})"]
    parts += [f"{plural(number, one, many)}{rest}" for number, one, many, rest in counted if number]
    parts += ["there may be more (--max)"] if listed.more else []
    parts += [listed.remark] if listed.remark else []
    parts += [f"NOT COMPLETE: {listed.incomplete}"] if listed.incomplete else []
    return "; ".join(parts)


def format_hosts(listed: ListingSummary, named: str) -> str:
    """Return where the listed files are, if not all are on the host that the user named.

    '' if they are.
    """
    hosts = {host: number for host, number in listed.hosts.items() if host}
    if not hosts or set(hosts) == {host_of(named)}:
        return ""
    shown = sorted(hosts, key=lambda host: (-hosts[host], host))[:_MOST_SHOWN]
    words = ", ".join(f"{host} ({count(hosts[host])})" for host in shown)
    rest = len(hosts) - len(shown)
    more = f" and {rest} more" if rest > 0 else ""
    inside = " (this machine or a private network)" if all(is_inside(host) for host in hosts) else ""
    return f"the files are on {words}{more}{inside}; later runs will request from there"
