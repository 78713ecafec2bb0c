"""Talking to an object store: how it is opened, and what it complains of, as one sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from obstore.exceptions import BaseError, NotSupportedError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore as Service
from obstore.store import from_url

from ..errors import StoreError, StoreFullError
from ..formatting import plain_line
from .url import ObjectAddress

# Its own attempts are few: a longer trouble pauses the run, which people see, and leaves the archive alone meanwhile.
ATTEMPTS = 3
RETRY_FOR = timedelta(seconds=20)

_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")  # where it looks for credentials last

_NAMES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, a file",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def opened(address: ObjectAddress) -> Service:
    """The service at ``address``; what else it needs, credentials above all, is in the environment. StoreError."""
    with translate_service_errors(str(address)):
        if address.url.startswith("file:"):
            return from_url(address.url)
        return from_url(address.url, retry_config={"max_retries": ATTEMPTS - 1, "retry_timeout": RETRY_FOR})


@contextmanager
def translate_service_errors(place: str) -> Iterator[None]:
    """Whatever the service refuses within becomes a StoreError about ``place``: a StoreFullError if that may pass."""
    try:
        yield
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise service_fault(place, error) from error


def knows_no_conditions(error: BaseError) -> bool:
    """Whether a PUT-if-absent failed because the service has never heard of it."""
    return isinstance(error, NotSupportedError) or _status(str(error)) == 501


def _status(said: str) -> int:
    found = re.search(r"status code: (\d+)", said)
    return int(found[1]) if found else 0


def service_fault(place: str, error: Exception) -> StoreError:
    """The fault of the whole run that ``error`` amounts to. Says nothing that could be a secret."""
    said = re.sub(r"\?\S*", "", str(error).partition("\n\nDebug source")[0])  # an address's query may hold a token
    number, code = _status(said), re.search(r"<Code>(\w+)</Code>", said)
    told = f"{number} {code[1] if code else ''}".strip() if number else "no answer"
    fault = StoreError
    if any(host in said for host in _METADATA) or "must be specified" in said or "MissingAccount" in said:
        words = f"no credentials: put them into the environment ({_NAMES.get(place[:2], 'as obstore has them')})"
    elif isinstance(error, PermissionDeniedError | UnauthenticatedError) or number in (401, 403):
        words = f"the service refuses our credentials ({told}): check them, and what they may do there"
    elif isinstance(error, FileNotFoundError) or number == 404 or "canonicalize" in said:
        words = "there is no such bucket or folder; make it first, or give another --out"
    elif "redirect" in said.lower():
        words = "the bucket is in another region: set AWS_REGION"
    elif "builder error" in said:
        words = "its endpoint is plain http: set AWS_ALLOW_HTTP=true if that is meant"
    elif number >= 500 or number in (408, 429) or "HTTP error" in said:
        fault, words = StoreFullError, f"the service takes nothing at the moment ({told}); run again when it does"
    else:
        words = f"the service does not do it: {plain_line(said)}"
    return fault(f"{place}: {words}")
