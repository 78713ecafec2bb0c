"""Request the datalink documents of several spectra at once, which halves the requests.

DataLink 1.1, section 2.1.1: ID may be repeated, a service may answer fewer than were given, and some take one alone.
Then the spectra that are left over are requested one by one, and so are all that follow. After a fault of the server
several are requested again some minutes later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from ..model.failures import Failure, FailureKind, FetchError
from ..model.outcomes import Fetched
from ..model.target import SpectrumId, Target
from ..vo.datalink import files_of, is_link_document
from ..vo.urls import with_query

LONGEST_URL = 6000  # bytes: servers take 8,000 and more
LONGEST_KEPT = 600.0  # seconds: an address may be valid for a while only
LONGEST_WAIT = 20.0  # seconds for a document about several, which may itself wait for slots that those have who wait
SHORTEST_VALIDITY = 5.0  # seconds in which an address that is refused has not expired
FIRST_REST, LONGEST_REST = 60.0, 3600.0  # seconds without documents about several, after a fault with one
_TRANSIENT = (FailureKind.CONNECTION_LOST, FailureKind.BUSY)
_EXPIRED = (400, 401, 403, 404, 410)  # what servers say of an address that was valid for a while

Request = Callable[[str], Awaitable[Fetched]]


class LookAhead:
    """Targets in their order, of which the next ones can be claimed before their turn."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._source = iter(targets)
        self._ahead: deque[Target] = deque()
        self._unclaimed: dict[SpectrumId, Target] = {}
        self._is_open = True

    def __iter__(self) -> Iterator[Target]:
        return self

    def __next__(self) -> Target:
        if self._ahead:
            return self._ahead.popleft()
        target = next(self._source)
        if self._is_open:
            self._unclaimed[target.did] = target
        return target

    def claim(self, first: Target, most: int) -> list[Target]:
        """Return ``first`` and those behind it, ``most`` in all, each of which is claimed once.

        Empty if ``first`` was claimed before: it is requested again, and then alone.
        """
        if self._unclaimed.pop(first.did, None) is None:
            return []
        claimed = [first]
        while len(claimed) < most:
            if not self._unclaimed:
                following = next(self._source, None)
                if following is None:
                    break
                self._ahead.append(following)
                claimed.append(following)
            else:
                claimed.append(self._unclaimed.pop(next(iter(self._unclaimed))))
        return claimed

    def close(self) -> None:
        """Keep no further targets: none will be claimed."""
        self._is_open = False
        self._unclaimed.clear()


@dataclass(slots=True)
class LinkBatches:
    """The addresses of files, from documents about up to ``most`` spectra each.

    ``service`` gives them. Each address is used once: a retry begins with a document of its own.
    """

    service: str
    most: int
    ahead: LookAhead
    _addresses: dict[SpectrumId, tuple[str, float]] = field(default_factory=dict)
    _pending: dict[SpectrumId, asyncio.Future[None]] = field(default_factory=dict)
    _came: dict[SpectrumId, float] = field(default_factory=dict)
    """When the addresses came that are being requested."""
    _rest: float = FIRST_REST
    _rests_until: float = 0.0

    async def address(self, target: Target, request: Request) -> tuple[str, bool]:
        """Return the target's file, '' if unknown, and whether ``request`` was used.

        FetchError where a document says why there is no file, or the archive is in trouble.
        """
        if (pending := self._pending.get(target.did)) is not None:
            await asyncio.wait({pending}, timeout=LONGEST_WAIT)
            self._pending.pop(target.did, None)  # so that an address that comes too late is not kept
        address, came = self._addresses.pop(target.did, ("", 0.0))
        now = _now()
        if address and now - came < LONGEST_KEPT:
            self._came[target.did] = came
            return address, False
        most = self._most_for(target) if now >= self._rests_until else 1
        batch = self.ahead.claim(target, most) if self.most > 1 else []
        if len(batch) < 2:
            return "", False
        found = await self._requested([each.did for each in batch], request)
        own = found.get(target.did, "")
        if isinstance(own, FetchError):
            raise own
        return own, True

    def has_expired(self, target: Target, failure: Failure) -> bool:
        """Return whether an address was refused that may have been valid for a while only."""
        came = self._came.get(target.did)
        return came is not None and failure.status in _EXPIRED and _now() - came >= SHORTEST_VALIDITY

    def settle(self, target: Target) -> None:
        """Forget when the target's address came: it was requested."""
        self._came.pop(target.did, None)

    def _most_for(self, target: Target) -> int:
        """Return how many spectra fit into one URL: identifiers are about equally long."""
        length = len(_url(self.service, [target.did])) - len(self.service)
        return max(1, min(self.most, (LONGEST_URL - len(self.service)) // length))

    async def _requested(self, batch: Sequence[SpectrumId], request: Request) -> dict[SpectrumId, str | FetchError]:
        """Return what a document about the batch has, and keep the addresses of the others."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending |= dict.fromkeys(batch[1:], done)
        try:
            return self._read(batch, await request(_url(self.service, batch)))
        except TimeoutError:
            self._take_fewer(self.most // 2)
            raise
        except FetchError as error:
            if error.failure.kind in _TRANSIENT:
                raise
            if error.failure.kind is FailureKind.SERVER_ERROR:
                self._take_a_rest()
            else:
                self._take_fewer(1)
            return {}
        finally:
            done.set_result(None)
            for did in batch[1:]:
                self._pending.pop(did, None)

    def _read(self, batch: Sequence[SpectrumId], answer: Fetched) -> dict[SpectrumId, str | FetchError]:
        if not is_link_document(answer.body):
            self._take_a_rest()
            return {}
        found = files_of(answer.body, answer.url, batch)
        self._rest = FIRST_REST
        if len(found) <= len(batch) // 2 or not found.keys() & {*batch[-2:]}:  # else some are unknown there
            self._take_fewer(len(found))
        now = _now()
        for did in batch[1:]:
            if did in self._pending and isinstance(file := found.get(did), str):
                self._addresses[did] = file, now
        return found

    def _take_a_rest(self) -> None:
        """Request one at a time for a while: longer, each time that it fails again."""
        self._rests_until = _now() + self._rest
        self._rest = min(4 * self._rest, LONGEST_REST)

    def _take_fewer(self, number: int) -> None:
        self.most = max(1, min(self.most, number))
        if self.most == 1:
            self.ahead.close()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _url(service: str, dids: Sequence[SpectrumId]) -> str:
    """Return the address of a document about all of ``dids``."""
    first, *others = dids
    return "&".join([with_query(service, {"ID": first}), *(f"ID={quote(did, safe='/:~')}" for did in others)])
