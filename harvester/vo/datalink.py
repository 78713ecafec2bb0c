"""Find the file of a spectrum in its datalink document (DataLink 1.1, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar
from urllib.parse import unquote

from ..formatting import count, plain_line
from ..model.failures import Failure, FailureKind, FetchError
from .columns import cell
from .document import Document, gather, named_column
from .identity import absolute_address
from .media_types import MediaKind, media_kind
from .votable import read_votable
from .votable_model import Row, VotableError

LARGEST = 1 << 20  # bytes: thousands of links
MOST_LINKS = 1000
MOST_COLUMNS = 200  # the standard has a dozen
_COLUMNS = ("ID", "access_url", "service_def", "error_message", "semantics", "content_type", "link_authorized")
_BEGINNING = 4096
_ITSELF = ("this", "self")  # the latter is what drafts of the standard called it
_FAULTS = {
    "NotFoundFault": FailureKind.NOT_FOUND,
    "UsageFault": FailureKind.REFUSED_REQUEST,
    "TransientFault": FailureKind.BUSY,
}  # section 3.4; FatalFault and DefaultFault say no more than that there is nothing

Identifier = TypeVar("Identifier", bound=str)
Link: TypeAlias = dict[str, str]
"""One row: the values of ``_COLUMNS``, empty where there is none."""


def is_votable(body: bytes) -> bool:
    """Return whether a body is a VOTable.

    Some services send the file at once, or a page with an error.
    """
    return b"<votable" in body[:_BEGINNING].lower()


def is_link_document(body: bytes) -> bool:
    """Return whether a body is a datalink document, rather than a spectrum in VOTable."""
    if not is_votable(body):
        return False
    try:
        document = gather("", read_votable([body], max(LARGEST, len(body))), 0)
    except VotableError:
        return True  # what it is cannot be known; reading the links says what is wrong with it
    names = {one.name.casefold() for one in document.table.fields}
    return not names or bool(document.error) or {"semantics", "access_url"} <= names


def file_of(body: bytes, url: str, did: str = "") -> str:
    """Return the address of the file that the document ``body`` calls ``#this``.

    The document was requested at ``url``.

    Rows of other datasets than ``did`` do not count; where it is '', as the document was requested by its own address,
    all rows must be about one. FetchError says, in the document's words, why there is no file.
    """
    try:
        document = gather(url, read_votable([body], LARGEST), MOST_LINKS)
    except VotableError as error:
        raise _no_link(f"its datalink document cannot be read: {error}", url) from None
    return choose_file(document, did)


def files_of(body: bytes, url: str, dids: Sequence[Identifier]) -> dict[Identifier, str | FetchError]:
    """Return the address of each dataset's file, or why there is none.

    From a document about several; datasets that it has no row about are left out. FetchError if it cannot be read, or
    is an error itself.
    """
    try:
        document = gather(url, read_votable([body], LARGEST * len(dids)), MOST_LINKS * len(dids))
    except VotableError as error:
        raise _no_link(f"its datalink document cannot be read: {error}", url) from None
    if document.error:
        raise FetchError(_failure(document.error), url)
    place = named_column(document.table, "ID")
    rows: dict[str, list[Row]] = {}
    for row in document.rows:
        rows.setdefault(comparable(cell(row, place)), []).append(row)
    wanted = {did: rows[comparable(did)] for did in dids if comparable(did) in rows}
    return {did: _file_or_fault(replace(document, rows=about), did) for did, about in wanted.items()}


def _file_or_fault(document: Document, did: str) -> str | FetchError:
    try:
        return choose_file(document, did)
    except FetchError as fault:
        return fault


def choose_file(document: Document, did: str = "") -> str:
    """Return the address of the file that a datalink document calls ``#this``.

    The same for one that is parsed.
    """
    url = document.url
    if document.error:
        raise FetchError(_failure(document.error), url)
    links = _links_about(document, did)
    this = [link for link in links if _is_itself(link)]
    files = [link for link in this if _is_file(link)]
    if files:
        return absolute_address(_best(files)["access_url"], url)
    faults = [words for link in this or links if (words := link["error_message"])]
    if faults:
        raise FetchError(_failure(plain_line(faults[0])), url)
    if any(_is_kept_back(link) for link in this):
        raise FetchError(Failure(FailureKind.FORBIDDEN, "its datalink document says that you may not have it"), url)
    raise _no_link(f"its datalink document has {_instead(links, this)}", url)


def count_files(document: Document) -> int:
    """Return how many FITS files a document about one dataset calls ``#this``.

    All but one are left out.
    """
    return sum(
        _is_itself(link) and _is_file(link) and _kind(link) is MediaKind.FITS for link in _links_about(document, "")
    )


def _is_itself(link: Link) -> bool:
    return link["semantics"].rpartition("#")[2].casefold() in _ITSELF


def _links_about(document: Document, did: str) -> list[Link]:
    columns = len(document.table.fields)
    if columns > MOST_COLUMNS:
        raise _no_link(f"its datalink document has {count(columns)} columns", document.url)
    places = {name: named_column(document.table, name) for name in _COLUMNS}
    links = [{name: cell(row, place) for name, place in places.items()} for row in document.rows]
    ids = {comparable(link["ID"]) for link in links}
    if not did and len(ids) > 1:
        raise _no_link(f"its datalink document is about {len(ids)} datasets, and does not tell which", document.url)
    return [link for link in links if not did or _is_same(link["ID"], did)]


def _is_same(given: str, did: str) -> bool:
    """Return whether a document means ``did`` by ``given``.

    Some spell it percent-encoded, or without what all of an archive's identifiers begin with.
    """
    one, other = comparable(unquote(given)), comparable(unquote(did))
    return one == other or (one != "" and other.endswith(one) and other[: -len(one)].endswith(("/", "?", "#", ":")))


def comparable(identifier: str) -> str:
    """Return an identifier as it compares.

    The registry part of an ``ivo://`` has no case (Identifiers 2.0, 2.1).
    """
    if identifier[:6].casefold() != "ivo://":
        return identifier
    registry, separator, local = identifier.partition("?")
    return f"{registry.casefold()}{separator}{local}"


def _is_file(link: Link) -> bool:
    """Return whether a row leads to a file that may be a spectrum, and that we may have.

    Exactly one of three addresses is given (section 3.2).
    """
    given = [name for name in ("access_url", "service_def", "error_message") if link[name]]
    kind = _kind(link)
    return given == ["access_url"] and kind.is_readable and kind is not MediaKind.DATALINK and not _is_kept_back(link)


def _kind(link: Link) -> MediaKind:
    return media_kind(link["content_type"], link["access_url"])


def _is_kept_back(link: Link) -> bool:
    return link["link_authorized"].casefold() in ("false", "f", "0")


def _best(files: Sequence[Link]) -> Link:
    return min(files, key=_kind)


def _failure(words: str) -> Failure:
    """Return what a fault means; its name comes first."""
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
