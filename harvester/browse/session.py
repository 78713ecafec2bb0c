"""Hold what one server shows: the index of a harvest, its files, its run and its labels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..config.configuration import Configuration
from ..dataset.run_profiles import RunProfiles
from ..dataset.stored_files import DamagedError, find_stored_file, read_stored
from ..errors import HarvestError, UsageError
from ..fits.spectrum import Spectrum
from ..formatting import plain_line
from ..ledger import queries
from ..ledger.overview import overview
from ..storage.interface import Store
from .agreement import agreements, disputed
from .index import SpectraIndex
from .labels import CATALOG, FOLDER, LabelFile, all_labels
from .live import EventTail, LiveRun
from .programs import OtherPrograms
from .reading import FileReader

LOOK_INTERVAL = 0.5  # seconds between two looks at the event log
STATUS_EVERY = 2  # looks between two statuses
JUDGE_EVERY = 20  # labels after which doubts are computed again
JUDGED_FIRST = 2_000  # shapes: while many are read, doubts are computed again whenever there are twice as many
REST = 9  # times as long as a judgement took, until the next: of a million spectra it takes long, with every core
READ_INTERVAL = 2.0  # seconds between two looks for files that have not been read
_LEDGER_LAG = 4  # looks for which a change is read again: the ledger is written after the event log
_BACKLOG = 100  # messages to a page that does not read


@dataclass(slots=True)
class Session:
    """One harvest being browsed; ``labels`` is None where no labels are given."""

    configuration: Configuration
    store: Store
    labels: LabelFile | None = None
    labeller: str = ""
    index: SpectraIndex = field(default_factory=SpectraIndex)
    reader: FileReader = field(init=False)
    live: LiveRun = field(init=False)
    programs: OtherPrograms = field(init=False)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    others: dict[str, dict[str, str]] = field(default_factory=dict)
    """The labels of the other labellers, and the catalog's."""
    _tail: EventTail = field(init=False)
    _listeners: set[asyncio.Queue[str]] = field(default_factory=set)
    _recent: deque[list[str]] = field(default_factory=lambda: deque(maxlen=_LEDGER_LAG))
    _unjudged: int = 0
    _unsettled: bool = False
    _arrivals: int = 0

    def __post_init__(self) -> None:
        self.reader = FileReader(self.store, self.index, RunProfiles(self.store))
        self.live = LiveRun(self.store.ledger)
        self._tail = EventTail(self.store.state)
        self.programs = OtherPrograms(self.store, self.reader.profiles, self.mark_picked, self.announce_picked)

    @property
    def column(self) -> str:
        """The catalog's column of labels."""
        return self.configuration.settings.labels.column

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the ledger, read the files and follow the run in the background.

        HarvestError if that cannot go on.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in (self._load_and_read(), self._follow())]
                yield
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None
        finally:
            await self.programs.close()
            self.index.close()

    async def _load_and_read(self) -> None:
        await asyncio.to_thread(self._load)
        self.loaded.set()
        self._send("loaded", {"version": self.index.version})
        judged, rest = 0, 0.0  # shapes that were judged, and when the next judgement may begin
        while True:
            more = await asyncio.to_thread(self.reader.read_more)
            if more:
                self._send("reading", self.progress())
            fresh = len(self.reader.shapes) - judged
            due = fresh >= max(judged, JUDGED_FIRST) if more else fresh > 0 or self._unjudged >= JUDGE_EVERY
            if due and (begun := time.monotonic()) >= rest:
                judged, self._unjudged = len(self.reader.shapes), 0
                await asyncio.to_thread(self.reader.judge)
                rest = time.monotonic() + REST * (time.monotonic() - begun)
                self._send("judged", {"version": self.index.version})
            elif not more:
                await asyncio.sleep(READ_INTERVAL)

    def _load(self) -> None:
        self._tail.skip()
        self.index.add(overview(self.store.ledger, self.column))
        if self.labels is not None:
            self.index.fill_by_did("mine", [(label, did) for did, label in self.labels.labels.items()])
        self.load_others()

    def load_others(self) -> None:
        """Read what the catalog and the other labellers say."""
        folder = self.configuration.state_folder / FOLDER
        known = all_labels(folder) if folder.is_dir() else {}
        known.pop(self.labeller, None)
        self.others = {CATALOG: self.index.catalog_labels(), **known}
        conflicts = {one.did for one in queries.conflicts(self.store.ledger) if one.column == self.column}
        different = sorted(disputed(self._everyone()) | conflicts)
        self.index.clear("disagree")
        self.index.fill_by_did("disagree", [(1, did) for did in different])

    def _everyone(self) -> dict[str, Mapping[str, str]]:
        mine = {self.labeller: self.labels.labels} if self.labels is not None else {}
        return {name: labels for name, labels in {**self.others, **mine}.items() if labels}

    def labels_of(self, did: str) -> dict[str, str]:
        """Return who gave a spectrum which label."""
        return {name: plain_line(labels[did]) for name, labels in self._everyone().items() if did in labels}

    def agreement(self) -> list[dict[str, Any]]:
        """Return how far each pair of labellers agrees."""
        self.load_others()
        return [
            {"one": one.one, "other": one.other, "both": one.both, "equal": one.equal, "kappa": one.kappa}
            for one in agreements(self._everyone())
        ]

    def set_label(self, number: int, label: str) -> None:
        """Give a spectrum a label; it is durable when this returns. KeyError, StoreError."""
        assert self.labels is not None
        did = str(self.index.row(number)["did"])
        self.labels.set(did, label)
        self._show_label(did, label)

    def undo_label(self) -> int | None:
        """Take the last label back and return its spectrum's number; None without one.

        StoreError.
        """
        assert self.labels is not None
        undone = self.labels.undo()
        if undone is None:
            return None
        self._show_label(*undone)
        return self.index.number_of(undone[0])

    def _show_label(self, did: str, label: str | None) -> None:
        self.index.fill_by_did("mine", [(label, did)])
        self.index.fill_by_did("disagree", [(int(len(set(self.labels_of(did).values())) > 1), did)])
        self._unjudged += 1

    def read_file(self, did: str) -> Spectrum:
        """Read a stored spectrum. DamagedError, also if it is not stored any more; StoreError."""
        stored = find_stored_file(self.store, did, self.reader.profiles)
        if stored is None:
            raise DamagedError("it is not stored any more; the next run downloads it")
        return read_stored(stored)

    async def _follow(self) -> None:
        """Follow the event log, and pass on what changes."""
        await self.loaded.wait()
        sent, looks = "", 0
        while True:
            try:
                changed = await asyncio.to_thread(self._look)
                looks += 1
                if changed or looks % STATUS_EVERY == 0:
                    status = await asyncio.to_thread(self.status)
                    text = json.dumps(status)
                    if text != sent:
                        self._send("status", status)
                        sent = text
            except HarvestError as error:  # a ledger that is being made again is readable with the next look
                self._send("trouble", {"message": str(error)})
            await asyncio.sleep(LOOK_INTERVAL)

    def _look(self) -> bool:
        events = self._tail.read()
        changed = self.live.observe(events)
        self._unsettled = self._unsettled or bool(events)
        self._recent.append(changed)
        if self._unsettled and not events and self.live.status()["state"] == "ended":
            # The ledger, which is written later than the log, has all of the run.
            self.index.add(overview(self.store.ledger, self.column))
            self._unsettled = False
            self._arrivals += 1
            self.reader.begin_again()
        dids = list(dict.fromkeys(did for some in self._recent for did in some))
        if dids:
            self.index.add(overview(self.store.ledger, self.column, dids))
            self._arrivals += 1
            self._read_passed(changed or dids)
        return bool(events or dids)

    def _read_passed(self, dids: Sequence[str]) -> None:
        for did in dids:
            number = self.index.number_of(did)
            row = self.index.row(number) if number is not None else {}
            if row.get("star") is None and row.get("status") in ("present", "saved"):
                self.reader.read_again(row["number"], did)

    def status(self) -> dict[str, Any]:
        """Return the state of the run, and the version of the table.

        ``arrivals`` rises when rows came in or changed.
        """
        return {**self.live.status(), "version": self.index.version, "arrivals": self._arrivals}

    def progress(self) -> dict[str, Any]:
        """Return how many files have been read for time, position and shape."""
        return {"read": self.reader.read, "compared": len(self.reader.shapes), "most": self.reader.most}

    @contextlib.contextmanager
    def listener(self) -> Any:
        """Yield a queue that gets each message for the page, as text of a server-sent event."""
        queue: asyncio.Queue[str] = asyncio.Queue(_BACKLOG)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def _send(self, name: str, data: object) -> None:
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(f"event: {name}\ndata: {json.dumps(data)}\n\n")

    def mark_picked(self, dids: Sequence[str], alone: bool) -> dict[str, Any]:
        """Mark the spectra that another program has picked; ``alone``: it points at one of them.

        Return what ``announce_picked`` takes. StoreError.
        """
        if not alone:
            self.index.clear("picked")
            self.index.fill_by_did("picked", [(1, did) for did in dids])
        numbers = [number for did in dids[:1] if (number := self.index.number_of(did)) is not None]
        return {"numbers": numbers, "count": len(dids), "alone": alone, "version": self.index.version}

    def announce_picked(self, message: Mapping[str, Any]) -> None:
        """Show on the page what another program has picked; in the thread of the event loop."""
        self._send("picked", message)

    @contextlib.asynccontextmanager
    async def following_picks(self) -> AsyncIterator[None]:
        """Follow the picks of other programs from the beginning. UsageError without a hub."""
        await self.loaded.wait()
        try:
            await self.programs.join()
        except UsageError as error:
            raise UsageError(f"--samp: {error}") from None
        yield
