"""Rights and citation of a data set, as the archive states them in its profile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..archive.profile import ArchiveProfile
from ..formatting import plain_line, plural
from ..vo.data_origin import DataOrigin
from .markdown import as_text
from .options import Dataset

NO_ACKNOWLEDGEMENT = (
    "The archive's acknowledgement is not on record here: name the archive and its address, and ask its operators how "
    "they wish to be cited."
)
NO_RIGHTS = "The rights of the archive's data are the archive's; ask before you publish this file."

_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\^{}|]+")
_SPDX = re.compile(r"spdx\.org/licenses/(CC0-1\.0|CC-BY(?:-NC)?(?:-SA|-ND)?-4\.0)(?:\.html|\.json)?/?$")
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-sa|-nd)?)/4\.0|publicdomain/zero/1\.0)\b"
)


def origin_of(profile: ArchiveProfile | None) -> DataOrigin:
    """Return what the archive says of its data; empty without a profile."""
    return profile.origin if profile else DataOrigin()


def stated_rights(profile: ArchiveProfile | None) -> list[tuple[str, str]]:
    """Return the archive's acknowledgement, what to cite, and the conditions of use, by name."""
    origin = origin_of(profile)
    stated = {
        "acknowledgement": profile.acknowledgement if profile else "",
        "publisher": origin.publisher,
        "creator": origin.creator,
        "cite": origin.citation,
        "article": origin.article,
        "landing page": origin.reference_url,
        "rights": " ".join(part for part in (origin.rights, origin.rights_uri) if part),
    }
    return [(name, plain_line(value, 1000)) for name, value in stated.items() if value]


def rights_of(profile: ArchiveProfile | None) -> Iterator[str]:
    """Yield lines of Markdown: acknowledgement, what to cite, and the conditions of use."""
    stated = dict(stated_rights(profile))
    yield as_text(stated.pop("acknowledgement", NO_ACKNOWLEDGEMENT), 1000)
    yield from (["", *(f"- {name}: {as_text(value, 1000)}" for name, value in stated.items())] if stated else [])
    if "rights" not in stated:
        yield from ("", NO_RIGHTS)


def web_address(text: str) -> str:
    """Return ``text`` if it is an address that a link can have, else ''."""
    return text if _ADDRESS.fullmatch(text) else ""


def licence_of(profile: ArchiveProfile | None) -> str:
    """Return the SPDX identifier of the licence whose address the archive states.

    Creative Commons licences 4.0 and CC0 are known; '' for everything else.
    """
    address = web_address(origin_of(profile).rights_uri)
    if found := _SPDX.search(address):
        return found[1]
    if found := _CREATIVE_COMMONS.search(address):
        return f"CC-{found[1].upper()}-4.0" if found[1] else "CC0-1.0"
    return ""


def citation(dataset: Dataset) -> str:
    """Return one sentence that cites the data set."""
    origin = origin_of(dataset.profile)
    who = f"{origin.creator}: " if origin.creator else ""
    saved = dataset.origin.as_json()["retrieved"]
    when = f", retrieved {saved[0][:10]} to {saved[1][:10]}" if saved and saved[0][:10] != saved[1][:10] else ""
    when = when or (f", retrieved {saved[0][:10]}" if saved else "")
    source = origin.citation or origin.article or origin.reference_url
    spectra = plural(dataset.result.written, "spectrum", "spectra")
    return f"{who}{dataset.title}{f' ({source})' if source else ''}; {spectra}{when} with harvester."
