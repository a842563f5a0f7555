"""Functions that run in their own thread, or in the current one if the system has no more threads."""

import threading

import pytest

from access_exporter.background import call

PATIENCE_SECONDS = 20


def test_call() -> None:
    """The future has the result or the error of the function, and its thread does not delay the end of the process."""
    thread = call(threading.current_thread, "named").result(PATIENCE_SECONDS)
    assert (thread.name, thread.daemon) == ("named", True)
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 // 0, "failing").result(PATIENCE_SECONDS)


def test_call_without_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system cannot start a thread, the function runs at once in the current one."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert call(threading.current_thread, "refused").result(0) is threading.current_thread()
