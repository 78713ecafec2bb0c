"""Refuse a response that lets its interim ones (status 1xx) go on without end.

RFC 9110, section 15.2, allows any number of them before a response, and aiohttp skips all. A server that sends them as
fast as it can would keep one core busy until ``limits.total_timeout``, for each request in flight.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

MOST_INTERIM = 100  # before one response: real servers send one or two (100 Continue, 103 Early Hints)


class BoundedResponse(aiohttp.ClientResponse):
    """A response that is given up after ``MOST_INTERIM`` interim ones.

    It ends as what is not HTTP does.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head of the response. aiohttp.ClientResponseError if it does not come."""
        protocol = connection.protocol
        assert protocol is not None
        read, left = protocol.read, MOST_INTERIM + 1

        async def counted() -> Any:
            nonlocal left
            if not left:
                raise HttpProcessingError(code=400, message=f"more than {MOST_INTERIM} interim responses (1xx)")
            left -= 1
            return await read()

        protocol.read = counted  # type: ignore[method-assign]
        try:
            return await super().start(connection)
        finally:
            del protocol.read
