"""What is called in a thread of its own, and what is not where there can be no more threads."""

import threading

import pytest

from access_exporter.background import call

PATIENCE_SECONDS = 20


def test_call() -> None:
    """The future has what the function returns or raises, in a thread that does not keep the process from ending."""
    thread = call(threading.current_thread, "named").result(PATIENCE_SECONDS)
    assert (thread.name, thread.daemon) == ("named", True)
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 // 0, "failing").result(PATIENCE_SECONDS)


def test_call_where_there_are_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread, the function is called at once."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert call(threading.current_thread, "refused").result(0) is threading.current_thread()
