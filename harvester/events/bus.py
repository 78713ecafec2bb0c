"""Deliver events to observers, one after the other; one that fails is dropped."""

from __future__ import annotations

from collections.abc import Callable

from .types import Event, Kind, ObserverFailed, Phase, PhaseEntered

Observer = Callable[[Event], None]
"""It gets every event, or those alone that its attribute ``reads`` names: event classes, and phases."""


class EventBus:
    """Deliver every event to every observer, synchronously and in the order of their adding.

    An observer returns within microseconds or has a queue of its own. One that raises is dropped and named in an
    ``ObserverFailed``: a broken dashboard never costs a run.

    An event goes to those that read its kind (a phase, for ``PhaseEntered``), and what nothing reads need not be made:
    without a display that is five events of a spectrum, 5 us of CPU, and as many messages of a worker process.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = self._of_unlogged = tuple(observers)
        self._readers: dict[Kind, tuple[Observer, ...]] = {}
        self.failed_observers: list[ObserverFailed] = []

    def add(self, observer: Observer, *, logged_only: bool = False) -> None:
        """Deliver every event from now on to ``observer``.

        With ``logged_only`` it does not get the many that are not logged.
        """
        self._observers += (observer,)
        if not logged_only:
            self._of_unlogged += (observer,)
        self._readers.clear()

    def is_read(self, kind: Kind) -> bool:
        """Return whether an observer reads events of this kind."""
        return bool(self._readers_of(kind))

    def emit(self, event: Event) -> None:
        """Deliver ``event``, then an ``ObserverFailed`` for each observer that raised."""
        failed: list[ObserverFailed] = []
        failed_before = len(self.failed_observers)
        for observer in self._readers_of(event.phase if isinstance(event, PhaseEntered) else type(event)):
            if len(self.failed_observers) > failed_before and observer not in self._observers:
                continue  # it was dropped in the meantime, over an event that another observer emitted
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - whatever breaks in an observer must not break the run
                if observer in self._observers:
                    failed.append(self._drop(observer, error, event.time))
        for failure in failed:
            self.emit(failure)

    def _drop(self, observer: Observer, error: Exception, time: float) -> ObserverFailed:
        self._observers = tuple(other for other in self._observers if other is not observer)
        self._of_unlogged = tuple(other for other in self._of_unlogged if other is not observer)
        self._readers.clear()
        name = getattr(observer, "__qualname__", type(observer).__qualname__)
        failure = ObserverFailed(time, name, f"{type(error).__name__}: {error}")
        self.failed_observers.append(failure)
        return failure

    def _readers_of(self, kind: Kind) -> tuple[Observer, ...]:
        if (known := self._readers.get(kind)) is None:
            logged = not isinstance(kind, Phase) and kind.logged
            observers = self._observers if logged else self._of_unlogged
            known = tuple(each for each in observers if kind in getattr(each, "reads", (kind,)))
            self._readers[kind] = known
        return known
