"""What goes back over the wire, as values, and the pages in which DaCHS wraps its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from html import escape

HTML = "text/html;charset=utf-8"
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


def multi_valued(name: str) -> Answer:
    return Answer(f"MultiValuedParamNotSupported: Field {name}: multiple values are not allowed.\n".encode(), TEXT, 422)


def no_data() -> Answer:
    """SODA 1.0 section 5.1: nothing within the cutout is no error."""
    return Answer(b"", TEXT, 204)


def page(status: int, title: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error in HTML, as long as DaCHS' own."""
    text = f"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{escape(title)}</title>
<link rel="stylesheet" href="/static/css/gavo_dc.css"/></head>
<body><h1>{escape(title)}</h1><p class="errmsg">{escape(message)}</p>
<p>If you think this is a fault of the service, please tell its operators.</p><hr/>
<address>This is the demo archive of harvester; nothing here was ever observed.</address>{" " * 900}</body></html>
"""
    return Answer(text.encode(), HTML, status, headers=headers or {})


def not_found(did: str) -> Answer:
    message = f"No spectrum with this pubDID known here (pubDID: {did})"
    return page(404, "DC Demo -- Not Found", f"We are sorry, but the resource you requested is not here: {message}")


def server_error(exception: str) -> Answer:
    return page(500, "Internal Error", f"A {exception} occurred while processing your request.")


def no_such_page(path: str) -> Answer:
    return page(404, "Not Found", f"There is no resource {path} here.")
