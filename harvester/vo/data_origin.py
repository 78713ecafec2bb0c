"""Rights and citation of data, as VOTables state them (IVOA Note "Data Origin in the VO")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class DataOrigin:
    """What an archive says about its data; '' where it says nothing.

    The names are those of the Note's INFOs.
    """

    publisher: str = ""
    """Who publishes the data."""
    creator: str = ""
    """Who made the data; several names are separated by semicolons."""
    citation: str = ""
    """What to cite: a DOI, a bibcode or a text."""
    article: str = ""
    """The article about the data: a DOI or a bibcode."""
    reference_url: str = ""
    """The landing page of the data."""
    rights: str = ""
    """The licence or the conditions of use."""
    rights_uri: str = ""
    """The address of the licence, such as an SPDX one."""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def data_origin(infos: Iterable[tuple[str, str]]) -> DataOrigin:
    """Gather the origin from the name and value of a VOTable's INFO elements.

    Repeated creators are joined.
    """
    known = {field.name for field in fields(DataOrigin)}
    found = DataOrigin()
    for name, value in infos:
        key, text = name.strip().lower(), " ".join(value.split())
        if key not in known or not text:
            continue
        before = getattr(found, key)
        if key == "creator" and before and text not in before.split("; "):
            found = replace(found, creator=f"{before}; {text}")
        elif not before:
            found = replace(found, **{key: text})
    return found
