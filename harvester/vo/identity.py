"""Give every listed file an identifier.

Several files of one dataset differ from several formats of one file.

A row is identified by its publisher DID, else its creator DID, else its dataset identifier, each only where it is an
``ivo://`` identifier; last by the address of its file. Genuine services leave the publisher DID out, write a number or
an address into it, or give one to all files of an observation (Identifiers 2.0 promises that none of this happens).
Rows with one identifier and one media type are several files: the file's name tells them apart, behind a ``#``.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from .media_types import MediaKind, bare_media_type, media_kind

LONGEST_IDENTIFIER = 1024  # characters that a catalog takes
_IVO = re.compile(r"(?ai:ivo)://[^/]+/+[^/]")
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]{0,200}(?::[1-9][0-9]{0,3})?/[A-Za-z0-9/._~?=&+%:,-]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_QUOTES = "\"'\u201c\u201d\u2018\u2019<>"
_ESCAPED = re.compile(r"&(?:amp|quot|apos|lt|gt);|&#")
_ANCHOR = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_NO_ADDRESS = frozenset({"null", "none", "nan", "n/a", "na", "nil", "unknown", "-", "--", "..."})
_WITHOUT_SCHEME = re.compile(r"www\.[a-z0-9.-]+(?::\d+)?/", re.IGNORECASE)
_NUMBER_OF_TRIES = 4  # how often one address may have been escaped


@dataclass(frozen=True, slots=True)
class RowIdentity:
    """What identifies a row: the dataset that it belongs to, and where and what its file is.

    All may be ''.
    """

    dataset: str
    address: str
    media_type: str = ""

    @property
    def kind(self) -> MediaKind:
        """The kind of its file."""
        return media_kind(self.media_type, self.address)


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The files of one dataset: ``chosen`` are positions of rows with an identifier each.

    The others are counted.
    """

    chosen: tuple[tuple[int, str], ...]
    other_formats: int = 0
    unreadable: int = 0


def dataset_identifier(publisher_did: str, creator_did: str, dataset_id: str) -> str:
    """Return the first of these that is an ``ivo://`` identifier, '' if none is."""
    for given in (publisher_did, creator_did, dataset_id):
        text = given.strip()
        if len(text) <= LONGEST_IDENTIFIER and text.isprintable() and _IVO.match(text):
            return text
    return ""


def is_plain_address(text: str) -> bool:
    """Return whether an address can be requested just as it is, as nearly all can."""
    return _PLAIN_ADDRESS.fullmatch(text) is not None


def absolute_address(text: str, base: str) -> str:
    """Return the address in a cell as it can be requested.

    It is without quotation marks and escapes, and resolved by ``base``; '' where there is none. Some services escape
    twice (``&amp;amp;``), quote what they write, wrap it into HTML, or mean it relative to their answer.
    """
    address = text.strip()
    for _ in range(_NUMBER_OF_TRIES):
        plain = html.unescape(address) if _ESCAPED.search(address) else address
        if plain == address:
            break
        address = plain
    anchor = _ANCHOR.search(address)
    address = (anchor[1] if anchor else address).strip().strip(_QUOTES).strip()
    if not address or address.casefold() in _NO_ADDRESS:
        return ""
    if _WITHOUT_SCHEME.match(address):
        address = f"http://{address}"
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def canonical_address(url: str) -> str:
    """Return ``url`` as it identifies a file.

    It has scheme and host in lower case, no default port and no fragment. One that is longer than a catalog takes ends
    with a digest of the whole.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    where = f"[{host}]" if ":" in host else host
    if port not in (None, _DEFAULT_PORTS.get(parts.scheme.lower())):
        where += f":{port}"
    address = urlunsplit(
        (parts.scheme.lower(), where, quote(parts.path or "/", safe="%/:=&~+!$,;'@()*[]"), parts.query, "")
    )
    address = quote(address, safe="%/:=&?~#+!$,;'@()*[]")
    if len(address) <= LONGEST_IDENTIFIER:
        return address
    return f"{address[: LONGEST_IDENTIFIER - 17]}#{_digest(address, 16)}"


def choose_files(rows: Sequence[RowIdentity]) -> DatasetFiles:
    """Choose which rows of one dataset are its spectra.

    Those have the best format that there is, each file once. ``rows`` have one ``dataset`` ('' only for a single
    address). Of the other rows it is counted which are the same in other formats, and which cannot be read.
    """
    if len(rows) == 1 and rows[0].kind.is_readable:
        return DatasetFiles(((0, _identifiers(rows)[0]),))
    kinds = [row.kind for row in rows]
    readable = [at for at, kind in enumerate(kinds) if kind.is_readable]
    unreadable = len(rows) - len(readable)
    if not readable:
        return DatasetFiles((), 0, unreadable)
    best = min(kinds[at] for at in readable)
    types = [bare_media_type(rows[at].media_type) for at in readable if kinds[at] is best]
    preferred = _preferred(types)
    chosen: dict[str, int] = {}
    for at in readable:
        if kinds[at] is best and bare_media_type(rows[at].media_type) == preferred:
            chosen.setdefault(rows[at].address, at)
    identifiers = _identifiers([rows[at] for at in chosen.values()])
    pairs = tuple(zip(chosen.values(), identifiers, strict=True))
    return DatasetFiles(pairs, len(readable) - len(chosen), unreadable)


def _preferred(types: Iterable[str]) -> str:
    """Return the media type that most files have.

    Of several it is ``application/fits``, else the first.
    """
    counts = Counter(types)
    return max(counts, key=lambda each: (counts[each], each.startswith("application/fits")))


def _identifiers(rows: Sequence[RowIdentity]) -> list[str]:
    """Return an identifier for each of the files of one dataset."""
    [first, *others] = rows
    if not others:
        return [first.dataset or canonical_address(first.address)]
    names = [_file_name(row.address) for row in rows]
    times = Counter(names)
    suffixes = [
        name if name and times[name] == 1 else f"{name}{'-' if name else ''}{_digest(row.address, 8)}"
        for name, row in zip(names, rows, strict=True)
    ]
    return [_joined(row.dataset, suffix) for row, suffix in zip(rows, suffixes, strict=True)]


def _joined(dataset: str, suffix: str) -> str:
    room = LONGEST_IDENTIFIER - len(suffix) - 1
    return f"{dataset[:room]}#{suffix}"


def _file_name(address: str) -> str:
    """Return the last segment of an address's path.

    Where the path is a service's, the longest value of its query.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    name = unquote(parts.path.rpartition("/")[2])
    if parts.query:
        values = [unquote(pair.partition("=")[2]).rpartition("/")[2] for pair in parts.query.split("&")]
        name = max([value for value in values if value] or [name], key=len)
    clean = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("_")
    return clean[:80]


def _digest(text: str, digits: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()[:digits]
