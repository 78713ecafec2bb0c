"""Open an object store, and translate its errors into one sentence that says what to do."""

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

# Its own attempts are few: a longer fault pauses the run, which users see, without requests to the archive.
ATTEMPTS = 3
RETRY_FOR = timedelta(seconds=20)

_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")  # where it looks for credentials last

_NAMES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, a file",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def open_service(address: ObjectAddress) -> Service:
    """Open the service at ``address``; credentials and options come from the environment.

    Raises StoreError.
    """
    with translate_service_errors(str(address)):
        if address.url.startswith("file:"):
            return from_url(address.url)
        return from_url(address.url, retry_config={"max_retries": ATTEMPTS - 1, "retry_timeout": RETRY_FOR})


@contextmanager
def translate_service_errors(location: str) -> Iterator[None]:
    """Raise an error of the service as a StoreError about ``location``.

    A StoreFullError if it may be transient.
    """
    try:
        yield
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise service_fault(location, error) from error


def lacks_conditional_put(error: BaseError) -> bool:
    """Return whether a PUT-if-absent failed because the service does not support it."""
    return isinstance(error, NotSupportedError) or _status(str(error)) == 501


def _status(text: str) -> int:
    found = re.search(r"status code: (\d+)", text)
    return int(found[1]) if found else 0


def service_fault(location: str, error: Exception) -> StoreError:
    """Return the error that ends a run because of ``error``.

    Its message repeats nothing that could be a secret.
    """
    text = re.sub(r"\?\S*", "", str(error).partition("\n\nDebug source")[0])  # an address's query may hold a token
    number, code = _status(text), re.search(r"<Code>(\w+)</Code>", text)
    status = f"{number} {code[1] if code else ''}".strip() if number else "no response"
    fault = StoreError
    if any(host in text for host in _METADATA) or "must be specified" in text or "MissingAccount" in text:
        advice = (
            f"no credentials: put them into the environment ({_NAMES.get(location[:2], 'as obstore expects them')})"
        )
    elif isinstance(error, PermissionDeniedError | UnauthenticatedError) or number in (401, 403):
        advice = f"the service refuses our credentials ({status}): check them, and what they may do there"
    elif isinstance(error, FileNotFoundError) or number == 404 or "canonicalize" in text:
        advice = "there is no such bucket or folder; create it first, or give another --out"
    elif "redirect" in text.lower():
        advice = "the bucket is in another region: set AWS_REGION"
    elif "builder error" in text:
        advice = "its endpoint is plain http: set AWS_ALLOW_HTTP=true if that is meant"
    elif number >= 500 or number in (408, 429) or "HTTP error" in text:
        fault, advice = StoreFullError, f"the service takes nothing at the moment ({status}); run again when it does"
    else:
        advice = f"the service does not do it: {plain_line(text)}"
    return fault(f"{location}: {advice}")
