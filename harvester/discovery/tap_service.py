"""Send queries to a TAP service in the dialect that it takes (TAP 1.1).

Services differ: some know ``votable`` but not ``votable/td``, some refuse a MAXREC above their own limit, some take
neither ORDER BY nor GET, some moved. What one was found to take is remembered for all further queries.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ..model.failures import Failure, FailureKind
from ..vo.document import Document
from ..vo.urls import query_of, with_query
from ..vo.votable_model import Event, Info
from .client import ServiceUnavailableError, TapDialect, VoClient
from .refusals import WITHOUT_MAXREC, lower_limit
from .uws import result_of_job

FORMATS = (
    "votable/td",
    "votable",
    "application/x-votable+xml;serialization=TABLEDATA",
    "application/x-votable+xml",
    "text/xml",
    "votable/b2",
    "",
)
REFUSALS = (
    FailureKind.REFUSED_REQUEST,
    FailureKind.SERVER_ERROR,
    FailureKind.UNEXPECTED_STATUS,
    FailureKind.TIMEOUT,
)
_RESOURCES = re.compile(r"/(?:sync|async|tables|capabilities|availability|examples)?/*$")
_NAMED = re.compile(r"(?<![a-z])tap(?![a-z])", re.IGNORECASE)
_ABOUT_FORMAT = re.compile(r"format|votable/td|serializ", re.IGNORECASE)
_WRONG_FORMAT = (406, 415)
_WRONG_METHOD = (405, 501)
_NO_ORDER = re.compile(r"\bORDER\b", re.IGNORECASE)
_ORDER = re.compile(r" ORDER BY (?:[A-Za-z]\w*|\"(?:[^\"]|\"\")+\")$")
_TOP = re.compile(r"^SELECT TOP (\d+) ")


def is_tap(url: str) -> bool:
    """Return whether an address is called like a TAP service.

    Such are ``/tap``, ``/tap/sync``, ``/tap_obs`` and ``/TAP/tables``. The standard prescribes no name.
    """
    return _NAMED.search(base_of(url).rpartition("/")[2]) is not None


def base_of(url: str) -> str:
    """Return the address of a TAP service, without the resource below it."""
    return _RESOURCES.sub("", re.split(r"[?#]", url, maxsplit=1)[0])


def sync_query_url(base: str, adql: str, most: int, form: str = FORMATS[0]) -> str:
    """Return the URL that answers ``adql`` with ``most`` rows at most.

    The answer can be read as it comes.
    """
    return with_query(f"{base}/sync", query_parameters(adql, most, form))


def query_parameters(adql: str, most: int, form: str) -> dict[str, str]:
    """Return the parameters of a query (TAP 1.1, section 2.7)."""
    maxrec = str(most) if most != WITHOUT_MAXREC else ""
    asked = {"REQUEST": "doQuery", "LANG": "ADQL", "RESPONSEFORMAT": form, "MAXREC": maxrec, "QUERY": adql}
    return {name: value for name, value in asked.items() if value}


class TapService:
    """The TAP service at ``address``. ArchiveError, in its own words, where it refuses.

    Its dialect is remembered by ``client``.
    """

    def __init__(self, client: VoClient, address: str) -> None:
        self.client = client
        self._dialect = client.dialects.setdefault(address, TapDialect(address))
        self.uses_jobs = False
        """Whether queries are run as jobs (UWS), since the synchronous resource takes too long."""

    @property
    def base(self) -> str:
        """Where it is: where it moved to."""
        return self._dialect.base

    @property
    def is_ordered(self) -> bool:
        """Whether it takes ORDER BY."""
        return self._dialect.is_ordered

    async def document(self, adql: str, most: int) -> Document:
        """Return what answers ``adql``, with ``most`` rows at most."""
        while True:
            url = await self._address(adql, most)
            try:
                document = await self.client.document(url, most, may_move=True)
            except ServiceUnavailableError as error:
                if not (self._moved(url) or self.adapts(error.failure, most)):
                    raise
            else:
                self._moved(url)
                self._dialect.is_known = True
                return self._with_cut(document, most)

    def _with_cut(self, document: Document, most: int) -> Document:
        """Return the document with OVERFLOW where fewer rows were requested than are wanted."""
        limit = self._dialect.most
        if not limit or limit >= most or len(document.rows) < limit:
            return document
        return replace(document, infos=[*document.infos, Info("QUERY_STATUS", "OVERFLOW")])

    async def events(self, adql: str, most: int) -> AsyncGenerator[Event, None]:
        """Yield what answers ``adql``, as it comes."""
        async with aclosing(self.client.events(await self._address(adql, most), may_move=True)) as events:
            async for event in events:
                yield event

    async def _address(self, adql: str, most: int) -> str:
        """Return where the answer is: of the synchronous resource, or of a job that is done."""
        dialect = self._dialect
        form = FORMATS[dialect.form]
        if dialect.most is not None:
            most = min(most, dialect.most)
            adql = _TOP.sub(lambda top: f"SELECT TOP {min(int(top[1]), most or int(top[1]))} ", adql)
        if not dialect.is_ordered:
            adql = _ORDER.sub("", adql)
        if self.uses_jobs:
            return await result_of_job(self.client, dialect.base, query_parameters(adql, most, form))
        return sync_query_url(dialect.base, adql, most, form)

    def adapts(self, failure: Failure, most: int) -> bool:
        """Return whether a query is worth another request, in the dialect that is used then."""
        if failure.status in _WRONG_METHOD and not self.uses_jobs:
            self.uses_jobs = True
            return True
        return self._takes_fewer(failure, most) or self._takes_no_order(failure) or self._takes_another_form(failure)

    def _takes_fewer(self, failure: Failure, most: int) -> bool:
        if failure.kind not in REFUSALS:
            return False
        fewer = lower_limit(failure.detail, most if self._dialect.most is None else min(most, self._dialect.most))
        if fewer is None:
            return False
        self._dialect.most = fewer
        return True

    def _takes_no_order(self, failure: Failure) -> bool:
        if failure.kind not in REFUSALS or not self._dialect.is_ordered or not _NO_ORDER.search(failure.detail):
            return False
        self._dialect.is_ordered = False
        return True

    def _takes_another_form(self, failure: Failure) -> bool:
        """Return whether another form is worth a request: the refusal is about it, or may be."""
        dialect = self._dialect
        is_about_it = failure.status in _WRONG_FORMAT or (
            failure.status is not None and _ABOUT_FORMAT.search(failure.detail) is not None
        )
        is_other = failure.kind is FailureKind.CONNECTION_LOST and "not a VOTable but says" in failure.detail
        may_be = (
            not dialect.is_known and dialect.form == 0 and (failure.kind is FailureKind.REFUSED_REQUEST or is_other)
        )
        if not (is_about_it or may_be) or dialect.form + 1 == len(FORMATS):
            return False
        dialect.form += 1
        return True

    def _moved(self, url: str) -> bool:
        """Return whether the service moved; then all further requests go to its new place."""
        there = self.client.address_behind(url)
        base = base_of(there)
        is_sync = re.split(r"[?#]", there, maxsplit=1)[0].rstrip("/").endswith("/sync")
        if there == url or not is_sync or base == self._dialect.base or "JOBID" in query_of(there):
            return False
        self._dialect.base = base
        return True
