"""Deliver events to observers, one after the other; one that fails is dropped."""

from __future__ import annotations

from collections.abc import Callable

from .types import Event, ObserverFailed

Observer = Callable[[Event], None]


class EventBus:
    """Hands every event to every watcher, in the order they were added."""

    def __init__(self, *watchers: Observer) -> None:
        self._watchers = self._attentive = tuple(watchers)
        self.failed_observers: list[ObserverFailed] = []

    def add(self, watcher: Observer, *, logged_only: bool = False) -> None:
        """Tell ``watcher`` every event from now on; ``logged_only``: it is spared the many that are not logged."""
        self._watchers += (watcher,)
        if not logged_only:
            self._attentive += (watcher,)

    def emit(self, event: Event) -> None:
        broken: list[ObserverFailed] = []
        lost_before = len(self.failed_observers)
        for watcher in self._watchers if event.logged else self._attentive:
            if len(self.failed_observers) > lost_before and watcher not in self._watchers:
                continue  # it broke meanwhile, over an event that another watcher emitted
            try:
                watcher(event)
            except Exception as error:  # noqa: BLE001 - whatever breaks in a watcher must not break the harvest
                if watcher in self._watchers:
                    broken.append(self._drop(watcher, error, event.time))
        for lost in broken:
            self.emit(lost)

    def _drop(self, watcher: Observer, error: Exception, time: float) -> ObserverFailed:
        self._watchers = tuple(other for other in self._watchers if other is not watcher)
        self._attentive = tuple(other for other in self._attentive if other is not watcher)
        name = getattr(watcher, "__qualname__", type(watcher).__qualname__)
        lost = ObserverFailed(time, name, f"{type(error).__name__}: {error}")
        self.failed_observers.append(lost)
        return lost
