"""What is worked out once for all spectra of an archive, in memory that no server can fill."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

Work = TypeVar("Work", bound=Callable[..., Any])

MOST = 256  # results: more than an archive has kinds of headers, or spectra have numbers of points
LONGEST = 4000  # bytes: the keywords of 500 cards, or the structural cards of a dozen columns


def remembered(work: Work) -> Work:
    """Remember the last results of ``work``, by its first argument, which is bytes, and the others.

    Bytes longer than any spectrum has are worked on each time: all that is remembered stays within some 30 MB.
    """
    known = lru_cache(MOST)(work)

    @wraps(work)
    def call(key: bytes, *more: Any) -> Any:
        return (known if len(key) <= LONGEST else work)(key, *more)

    return cast(Work, call)
