"""Limits the number of requests in flight. The request that waits longest goes next, so no walk delays the others."""

import threading
from collections import deque


class Places:
    """A limited number of places. A request takes a place, or waits until one is free."""

    def __init__(self, number: int) -> None:
        """Start with all places free."""
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._number = self._free = number

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a place."""
        return len(self._waiting)

    @property
    def are_unused(self) -> bool:
        """Whether all places are free and no thread waits for one."""
        with self._lock:
            return not self._waiting and self._free == self._number

    def change(self, number: int) -> None:
        """Change the number of places. Requests that have a place keep it."""
        with self._lock:
            self._free += number - self._number
            self._number = number
            self._hand_out()

    def enter(self, patience: float) -> bool:
        """Take a place; return False if none became free within `patience` seconds."""
        place = threading.Event()
        with self._lock:
            self._waiting.append(place)
            self._hand_out()
        if place.wait(min(patience, threading.TIMEOUT_MAX)):
            return True
        with self._lock:
            if not place.is_set():
                self._waiting.remove(place)
            return place.is_set()

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._free += 1
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._free > 0:
            self._free -= 1
            self._waiting.popleft().set()
