"""The datalink document of one spectrum: which of its rows is the file itself (DataLink 1.1, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ..formatting import plain_line
from ..model.failures import Failure, FailureKind, FetchError
from .document import Document, cell, gather, place_of
from .votable import read_votable
from .votable_model import VotableError

LARGEST = 1 << 20  # bytes: thousands of links
MOST_LINKS = 1000
MOST_COLUMNS = 200  # the standard has a dozen
_COLUMNS = ("ID", "access_url", "service_def", "error_message", "semantics", "content_type", "link_authorized")
_BEGINNING = 4096
_FAULTS = {
    "NotFoundFault": FailureKind.NOT_FOUND,
    "UsageFault": FailureKind.REFUSED_REQUEST,
    "TransientFault": FailureKind.BUSY,
}  # section 3.4; FatalFault and DefaultFault say no more than that there is nothing

Link: TypeAlias = dict[str, str]
"""One row: the values of ``_COLUMNS``, empty where there is none."""


def is_votable(body: bytes) -> bool:
    """Whether an answer is a document at all: some services send the file at once, and pages say what is the matter."""
    return b"<votable" in body[:_BEGINNING].lower()


def file_of(body: bytes, url: str, did: str = "") -> str:
    """The address of the file that the document ``body``, asked for at ``url``, calls ``#this``.

    Rows of other datasets than ``did`` do not count; where it is '', as the document was asked for by its own address,
    all rows must be about one. FetchError says, in the document's words, why there is no file.
    """
    try:
        document = gather(url, read_votable([body], LARGEST), MOST_LINKS)
    except VotableError as error:
        raise _no_link(f"its datalink document cannot be read: {error}", url) from None
    if document.error:
        raise FetchError(_failure(document.error), url)
    links = _links_about(document, did)
    this = [link for link in links if link["semantics"].rpartition("#")[2] == "this"]
    files = [link for link in this if _is_file(link)]
    if files:
        return _best(files)["access_url"]
    faults = [words for link in this or links if (words := link["error_message"])]
    if faults:
        raise FetchError(_failure(plain_line(faults[0])), url)
    if any(_is_kept_back(link) for link in this):
        raise FetchError(Failure(FailureKind.FORBIDDEN, "its datalink document says that you may not have it"), url)
    raise _no_link(f"its datalink document has {_instead(links, this)}", url)


def _links_about(document: Document, did: str) -> list[Link]:
    columns = len(document.table.fields)
    if columns > MOST_COLUMNS:
        raise _no_link(f"its datalink document has {columns:,} columns", document.url)
    places = {name: place_of(document.table, name) for name in _COLUMNS}
    links = [{name: cell(row, place) for name, place in places.items()} for row in document.rows]
    ids = {link["ID"] for link in links}
    if not did and len(ids) > 1:
        raise _no_link(f"its datalink document is about {len(ids)} datasets, and does not tell which", document.url)
    return [link for link in links if not did or link["ID"] == did]


def _is_file(link: Link) -> bool:
    """Exactly one of three is given (section 3.2); a file that may be FITS, and that we may have."""
    given = [name for name in ("access_url", "service_def", "error_message") if link[name]]
    kind = link["content_type"].casefold()
    may_be_fits = not kind or any(word in kind for word in ("fits", "gzip", "octet-stream"))
    return given == ["access_url"] and may_be_fits and not _is_kept_back(link)


def _is_kept_back(link: Link) -> bool:
    return link["link_authorized"].casefold() in ("false", "f", "0")


def _best(files: Sequence[Link]) -> Link:
    return next((link for link in files if "fits" in link["content_type"].casefold()), files[0])


def _failure(words: str) -> Failure:
    """What a fault means; its name comes first."""
    name = words.partition(":")[0].strip()
    return Failure(_FAULTS.get(name, FailureKind.NO_DATALINK), words, 200)


def _no_link(words: str, url: str) -> FetchError:
    return FetchError(Failure(FailureKind.NO_DATALINK, words, 200), url)


def _instead(links: Sequence[Link], this: Sequence[Link]) -> str:
    if not links:
        return "no row about it"
    if not this:
        return "no #this"
    kinds = sorted({link["content_type"] or "a service" for link in this})
    return plain_line(f"no FITS file as #this, but {', '.join(kinds)}")
