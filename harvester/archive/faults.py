"""The one place where aiohttp's and the network's exceptions become ours.

Order matters: TimeoutError is an OSError, and so are most of aiohttp's connection errors.
"""

from __future__ import annotations

import errno

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from ..errors import StoreFullError
from ..failures import Failure, FailureKind
from ..words import plain_line


def failure_of(error: Exception) -> Failure:
    """What went wrong between us and the archive. Re-raises what is no fault of the wire's: that is a bug of ours.

    StoreFullError where this machine, not the archive, has no descriptor left for a connection.
    """
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        raise StoreFullError("too many open files; raise the limit (ulimit -n) or lower --concurrency") from error
    kind = _kind(error)
    if kind is None:
        raise error
    said = plain_line(str(error)) or type(error).__name__
    return Failure(kind, _DETAIL.get(kind, "{said}").format(said=said))


_DETAIL = {
    FailureKind.TIMEOUT: "no answer in time ({said})",
    FailureKind.CUT_OFF: "the answer broke off ({said})",
    FailureKind.GARBLED: "the answer was not HTTP ({said})",
}


def _kind(error: Exception) -> FailureKind | None:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return FailureKind.TLS
        case aiohttp.ConnectionTimeoutError():
            return FailureKind.UNREACHABLE
        case TimeoutError():
            return FailureKind.TIMEOUT
        case aiohttp.ClientResponseError():
            # A parse error on our side, dressed by aiohttp as status 400; real statuses never raise here.
            return FailureKind.GARBLED if isinstance(error.__cause__, HttpProcessingError) else None
        case aiohttp.ClientConnectorError():
            return FailureKind.UNREACHABLE
        case aiohttp.ClientPayloadError() | aiohttp.ServerConnectionError() | aiohttp.ClientOSError():
            return FailureKind.CUT_OFF
        case OSError():
            return FailureKind.UNREACHABLE
    return None
