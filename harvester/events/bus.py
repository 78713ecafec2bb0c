"""Deliver events to observers, one after the other; one that fails is dropped."""

from __future__ import annotations

from collections.abc import Callable

from .types import Event, ObserverFailed

Observer = Callable[[Event], None]


class EventBus:
    """Deliver every event to every observer, synchronously and in the order of their adding.

    An observer returns within microseconds or has a queue of its own. One that raises is dropped and named in an
    ``ObserverFailed``: a broken dashboard never costs a run.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = self._of_unlogged = tuple(observers)
        self.failed_observers: list[ObserverFailed] = []

    def add(self, observer: Observer, *, logged_only: bool = False) -> None:
        """Deliver every event from now on to ``observer``.

        With ``logged_only`` it does not get the many that are not logged.
        """
        self._observers += (observer,)
        if not logged_only:
            self._of_unlogged += (observer,)

    def emit(self, event: Event) -> None:
        """Deliver ``event``, then an ``ObserverFailed`` for each observer that raised."""
        failed: list[ObserverFailed] = []
        failed_before = len(self.failed_observers)
        for observer in self._observers if event.logged else self._of_unlogged:
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
        name = getattr(observer, "__qualname__", type(observer).__qualname__)
        failure = ObserverFailed(time, name, f"{type(error).__name__}: {error}")
        self.failed_observers.append(failure)
        return failure
