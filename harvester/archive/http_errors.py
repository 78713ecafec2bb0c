"""Turn exceptions of aiohttp and the network into failures.

The one place where they become ours. Order matters: TimeoutError is an OSError, and so are most of aiohttp's connection
errors.
"""

from __future__ import annotations

import errno
import os

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from ..errors import StoreFullError
from ..formatting import plain_line
from ..model.failures import Failure, FailureKind


def failure_from_exception(error: Exception) -> Failure:
    """Return what went wrong on the way to the archive; re-raise what is an internal error.

    StoreFullError where this machine, not the archive, has no descriptor left for a connection.
    """
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        raise StoreFullError("too many open files; raise the limit (ulimit -n) or lower --concurrency") from error
    kind = _kind(error)
    if kind is None:
        raise error
    return Failure(kind, _DETAIL.get(kind, "{said}").format(said=_said(error)))


def _said(error: Exception) -> str:
    """Return the shortest message: aiohttp's own begin with sockets and contexts."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return plain_line(f"the proxy refused the connection: HTTP {error.status} {error.message}")
        case aiohttp.ClientResponseError():
            return plain_line(error.message)  # without the 400 that it makes up for a parse error: no server said that
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return plain_line(str(error))
        case aiohttp.ClientConnectorError():
            cause = error.os_error
            why = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else str(cause.strerror or cause)
            return plain_line(f"{error.host}:{error.port}: {why}")
        case TimeoutError() if not str(error):
            return "limits.total_timeout is over"
    return plain_line(str(error)) or type(error).__name__


_DETAIL = {
    FailureKind.TIMEOUT: "no response in time ({said})",
    FailureKind.CONNECTION_LOST: "the response broke off ({said})",
    FailureKind.PROTOCOL_ERROR: "the response is not HTTP ({said})",
}


def _kind(error: Exception) -> FailureKind | None:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return FailureKind.TLS
        case aiohttp.ConnectionTimeoutError():
            return FailureKind.UNREACHABLE
        case TimeoutError():
            return FailureKind.TIMEOUT
        case aiohttp.ClientHttpProxyError():
            return FailureKind.UNREACHABLE
        case aiohttp.ClientResponseError():
            # A parse error on our side, dressed by aiohttp as status 400; real statuses never raise here.
            return FailureKind.PROTOCOL_ERROR if isinstance(error.__cause__, HttpProcessingError) else None
        case aiohttp.ClientConnectorError():
            return FailureKind.UNREACHABLE
        case aiohttp.ClientPayloadError() | aiohttp.ServerConnectionError() | aiohttp.ClientOSError():
            return FailureKind.CONNECTION_LOST
        case OSError():
            return FailureKind.UNREACHABLE
    return None
