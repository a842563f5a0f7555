"""Threads for what is done ahead or takes its time; they do not keep the process from ending."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def call(function: Callable[[], T], name: str) -> Future[T]:
    """Call the function in a thread of its own; unlike those of an executor, the end of the process waits for none."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # so that a stop cannot cancel it and the thread can always answer
    try:
        Thread(target=lambda: _resolve(future, lambda _: function(), None), name=name, daemon=True).start()
    except RuntimeError:  # the system has no more threads to give: a late answer is better than none
        _resolve(future, lambda _: function(), None)
    return future


class Background:
    """Up to `size` threads, each doing one thing after the other: a new one each time costs as much as half a page."""

    def __init__(self, size: int) -> None:
        """Start no thread yet."""
        self._size = size
        self._threads = 0
        self._wanted: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def start(self, function: Callable[[A], T], argument: A) -> Future[T]:
        """Call the function in one of the threads; the future has what it returns or raises."""
        future: Future[T] = Future()
        self._wanted.put(partial(_resolve, future, function, argument))
        if self._threads < self._size:
            self._add_thread()
        return future

    def _add_thread(self) -> None:
        try:
            Thread(target=self._work, name=f"page-{self._threads}", daemon=True).start()
            self._threads += 1
        except RuntimeError:  # the system has no more threads to give
            if not self._threads and (work := self._wanted.get()):
                work()

    def _work(self) -> None:
        for work in iter(self._wanted.get, None):
            work()
            del work  # or it would be kept, and with it a page, until there is more

    def close(self) -> None:
        """Let the threads end, each when it has done what it is doing."""
        for _ in range(self._threads):
            self._wanted.put(None)


def _resolve(future: Future[T], function: Callable[[A], T], argument: A) -> None:
    try:
        future.set_result(function(argument))
    except BaseException as error:  # noqa: BLE001 – whatever it is, it is the waiting thread's to handle
        future.set_exception(error)
    finally:
        del future  # or the error would hold the future, which holds the error, and with it a page
