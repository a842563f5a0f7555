"""Background threads for slow work. The process can exit while they still run."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def call(function: Callable[[], T], name: str) -> Future[T]:
    """Call the function in a new thread, and return the future of its result.

    The process does not wait for this thread at its exit, as it would for a thread of an executor.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # a stop cannot cancel the future now, so the thread can always set a result
    try:
        Thread(target=lambda: _resolve(future, lambda _: function(), None), name=name, daemon=True).start()
    except RuntimeError:  # the system refuses a new thread: a late result is better than none
        _resolve(future, lambda _: function(), None)
    return future


class Background:
    """Up to `size` threads that are used again and again: starting a thread takes half as long as decoding a page."""

    def __init__(self, size: int) -> None:
        """Prepare; the first call of `start` starts the first thread."""
        self._size = size
        self._threads = 0
        self._wanted: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def start(self, function: Callable[[A], T], argument: A) -> Future[T]:
        """Call the function in one of the threads. The returned future gets its result or its exception."""
        future: Future[T] = Future()
        self._wanted.put(partial(_resolve, future, function, argument))
        if self._threads < self._size:
            self._add_thread()
        return future

    def _add_thread(self) -> None:
        try:
            Thread(target=self._work, name=f"page-{self._threads}", daemon=True).start()
            self._threads += 1
        except RuntimeError:  # the system refuses a new thread
            if not self._threads and (work := self._wanted.get()):
                work()

    def _work(self) -> None:
        for work in iter(self._wanted.get, None):
            work()
            del work  # otherwise the waiting thread would keep the page of this work in memory

    def close(self) -> None:
        """Let each thread end after its present work."""
        for _ in range(self._threads):
            self._wanted.put(None)


def _resolve(future: Future[T], function: Callable[[A], T], argument: A) -> None:
    try:
        future.set_result(function(argument))
    except BaseException as error:  # noqa: BLE001 – the thread that waits for the future handles every error
        future.set_exception(error)
    finally:
        del future  # otherwise the error and the future would refer to each other, and keep a page in memory
