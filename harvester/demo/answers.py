"""What goes back over the wire, as values, and the pages in which DaCHS wraps its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from html import escape

HTML = "text/html"
TEXT = "text/plain"
XML = "text/xml"


class Delivery(Enum):
    """How an answer reaches the client."""

    WHOLE = auto()
    CUT_OFF = auto()
    """Head and half the body, then the connection is gone without the last chunk."""
    DISCONNECT = auto()
    """The connection is closed before a byte of an answer."""
    STALL = auto()
    """Not a byte ever comes."""
    STALL_IN_BODY = auto()
    """Head and half the body, then silence."""
    DRIP = auto()
    """Whole, but in small pieces with pauses between them."""
    RAW = auto()
    """The body is all that is sent, without an HTTP head."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``file_name`` goes into Content-Disposition; ``static`` ones have a Content-Length, as files do."""

    body: bytes
    content_type: str
    status: int = 200
    file_name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    static: bool = False


def usage_error(message: str) -> Answer:
    return Answer(f"UsageError: {message}\n".encode(), TEXT, 422)


def multi_valued(name: str, values: list[str]) -> Answer:
    words = f"Inputs for the parameter {name} must not have more than one value; however, {values} was passed in."
    return Answer(f"MultiValuedParamNotSupported: Field {name}: {words}\n".encode(), TEXT, 422)


def no_data() -> Answer:
    """SODA 1.0 section 5.1: nothing within the cutout is no error."""
    return Answer(b"", TEXT, 204)


def _text(words: str) -> str:
    return escape(words, quote=False)


def page(status: int, title: str, lead: str, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An error in HTML, in DaCHS' words; ``message`` is what the failing code had to say."""
    title = f"DC Demo -- {title}"
    text = f"""<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{_text(title)}</title>
<link rel="stylesheet" href="/static/css/gavo_dc.css" type="text/css" /></head>
<body><h1>{_text(title)} ({status})</h1><p>{_text(lead)}</p><div class="errmsg">{_text(message)}</div>
<p>If you think this is a fault of the service, please tell its operators.</p><hr />
<address>This is the demo archive of harvester; nothing here was ever observed.</address>{" " * 700}</body></html>
"""
    return Answer(text.encode(), HTML, status, headers=headers or {})


def not_found(message: str) -> Answer:
    return page(404, "Not Found", "We're sorry, but the resource you requested could not be located.", message)


def server_error(exception: str, message: str) -> Answer:
    lead = f"Your action has caused a(n) {exception} exception to occur.  As additional info, the failing code gave:"
    return page(500, "Uncaught Exception", lead, message)


def moved(to: str, query: str) -> Answer:
    lead = "The resource you requested is available from a different URL."
    location = {"Location": f"{to}?{query}"}
    return page(301, "Moved Permanently", lead, f"This is supposed to redirect to {to}", location)
