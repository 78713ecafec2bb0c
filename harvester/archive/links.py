"""The datalink document of one spectrum: which of its rows is the file itself (DataLink 1.1, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from ..failures import Failure, FailureKind, FetchError
from ..words import plain_line
from .discovery import Document, gather
from .tables import Row, VotableError
from .votable import read_votable

LARGEST = 1 << 20  # bytes: thousands of links
MOST_LINKS = 1000
_BEGINNING = 4096
_FAULTS = {
    "NotFoundFault": FailureKind.NOT_FOUND,
    "UsageFault": FailureKind.REFUSED_REQUEST,
    "TransientFault": FailureKind.BUSY,
}  # section 3.4; FatalFault and DefaultFault say no more than that there is nothing


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
    rows = _rows_about(document, did)
    this = [row for row in rows if document.value(row, "semantics").rpartition("#")[2] == "this"]
    files = [row for row in this if _is_file(document, row)]
    if files:
        return document.value(_best(document, files), "access_url")
    faults = [words for row in this or rows if (words := document.value(row, "error_message"))]
    if faults:
        raise FetchError(_failure(plain_line(faults[0])), url)
    if any(document.value(row, "link_authorized").casefold() in ("false", "f", "0") for row in this):
        raise FetchError(Failure(FailureKind.FORBIDDEN, "its datalink document says that you may not have it"), url)
    raise _no_link(f"its datalink document has {_instead(document, rows, this)}", url)


def _rows_about(document: Document, did: str) -> Sequence[Row]:
    ids = {document.value(row, "ID") for row in document.rows}
    if not did and len(ids) > 1:
        raise _no_link(f"its datalink document is about {len(ids)} datasets, and does not tell which", document.url)
    return [row for row in document.rows if not did or document.value(row, "ID") == did]


def _is_file(document: Document, row: Row) -> bool:
    """Exactly one of three is given (section 3.2); a file that may be FITS, and that we may have."""
    given = [name for name in ("access_url", "service_def", "error_message") if document.value(row, name)]
    kind = document.value(row, "content_type").casefold()
    may_be_fits = not kind or any(word in kind for word in ("fits", "gzip", "octet-stream"))
    may_be_had = document.value(row, "link_authorized").casefold() not in ("false", "f", "0")
    return given == ["access_url"] and may_be_fits and may_be_had


def _best(document: Document, files: Sequence[Row]) -> Row:
    return next((row for row in files if "fits" in document.value(row, "content_type").casefold()), files[0])


def _failure(words: str) -> Failure:
    """What a fault means; its name comes first."""
    name = words.partition(":")[0].strip()
    return Failure(_FAULTS.get(name, FailureKind.NO_LINK), words, 200)


def _no_link(words: str, url: str) -> FetchError:
    return FetchError(Failure(FailureKind.NO_LINK, words, 200), url)


def _instead(document: Document, rows: Sequence[Row], this: Sequence[Row]) -> str:
    if not rows:
        return "no row about it"
    if not this:
        return "no #this"
    kinds = sorted({document.value(row, "content_type") or "a service" for row in this})
    return plain_line(f"no FITS file as #this, but {', '.join(kinds)}")
