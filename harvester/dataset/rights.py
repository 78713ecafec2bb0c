"""Rights and citation of a data set, as the archive states them in its profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..archive.profile import ArchiveProfile
from ..formatting import plain_line, plural
from ..vo.data_origin import DataOrigin

if TYPE_CHECKING:
    from .options import Dataset

NO_ACKNOWLEDGEMENT = (
    "The archive's acknowledgement is not on record here: name the archive and its address, and ask its operators how "
    "they wish to be cited."
)
NO_RIGHTS = "The rights of the archive's data are the archive's; ask before you publish this file."


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
    yield _safe(stated.pop("acknowledgement", NO_ACKNOWLEDGEMENT))
    yield from (["", *(f"- {name}: {_safe(value)}" for name, value in stated.items())] if stated else [])
    yield from ("", NO_RIGHTS)


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


def _safe(text: str) -> str:
    return plain_line(text, 1000).replace("<", "&lt;")
