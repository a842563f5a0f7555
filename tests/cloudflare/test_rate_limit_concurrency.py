"""The limit of concurrent requests of a credential."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from access_exporter.clock import Clock
from access_exporter.cloudflare.rate_limit import RateLimiter
from access_exporter.errors import RateLimitedError, StoppingError
from tests.cloudflare.pace import Bench
from tests.machine import Machine


@contextmanager
def threads(*work: Callable[[], None]) -> Iterator[list[threading.Thread]]:
    """Run each function in a thread, and fail if a thread does not end."""
    running = [threading.Thread(target=each, daemon=True) for each in work]
    yield running
    for thread in running:
        thread.join(10)
        assert not thread.is_alive()


class TestConcurrency:
    def test_in_flight(self) -> None:
        """No more requests run at once than the configured concurrency, and a waiting request starts when one ends."""
        bench = Bench(concurrency=2)
        started = threading.Semaphore(0)
        done = [threading.Event() for _ in range(3)]

        def request(number: int) -> Callable[[], None]:
            def run() -> None:
                with bench.limiter.turn():
                    started.release()
                    done[number].wait(10)

            return run

        with threads(*map(request, range(3))) as running:
            for thread in running:
                thread.start()
            assert started.acquire(timeout=10)
            assert started.acquire(timeout=10)
            assert not started.acquire(timeout=0.05)
            for event in done:
                event.set()
            assert started.acquire(timeout=10)

    def test_first_come_first_served(self) -> None:
        """Waiting requests start in the order of their arrival."""
        bench = Bench(concurrency=1)
        served: list[int] = []

        def request(number: int) -> Callable[[], None]:
            def run() -> None:
                with bench.limiter.turn():
                    served.append(number)

            return run

        with threads(*map(request, range(5))) as running:
            with bench.limiter.turn():
                for number, thread in enumerate(running, start=1):
                    thread.start()
                    until(lambda number=number: bench.limiter.waiting == number)  # type: ignore[misc]  # a lambda with a default is not typed
            for thread in running:
                thread.join(10)
        assert served == [0, 1, 2, 3, 4]

    def test_short_wait(self) -> None:
        """A request with a short maximum wait fails after that time, and does not block later requests."""
        bench = Bench(concurrency=1)
        with bench.limiter.turn(), pytest.raises(RateLimitedError), bench.limiter.turn(0.01):
            raise AssertionError("two requests run although the concurrency is 1")
        assert bench.limiter.is_at_rest() is False
        assert len(bench.send()) == 1

    def test_short_wait_during_a_pause(self) -> None:
        """A request fails at once if the pause is longer than the request may wait; otherwise it waits."""
        bench = Bench()
        bench.limiter.pause(10)
        with pytest.raises(RateLimitedError), bench.limiter.turn(5):
            raise AssertionError("a request was sent during a pause")
        assert bench.clock.slept == []
        with bench.limiter.turn(10):
            assert bench.clock.slept == [10]

    def test_failure(self) -> None:
        """After a failed request, the next request can start."""
        bench = Bench(concurrency=1)
        with pytest.raises(OSError, match="reset"), bench.limiter.turn():
            raise OSError("reset")
        assert len(bench.send()) == 1

    def test_stop(self) -> None:
        """After a shutdown interrupts a wait, the next request can start."""
        bench = Bench(burst=1, concurrency=1)
        bench.send()
        bench.clock.stop.set()
        with pytest.raises(StoppingError):
            bench.send()
        bench.clock.stop.clear()
        assert len(bench.send()) == 1

    def test_pause_while_the_machine_is_suspended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pause keeps counting while the machine is suspended, because Cloudflare counts that time too."""
        machine = Machine(monkeypatch)
        limiter = RateLimiter(1, 1, 1, Clock())
        limiter.pause(300)
        left = threading.Event()

        def request() -> None:
            with limiter.turn():
                left.set()

        with threads(request) as running:
            running[0].start()
            machine.suspend(290)
            assert not left.wait(0.05)
            machine.suspend(11)


def until(condition: Callable[[], bool]) -> None:
    """Wait until another thread makes the condition true; fail after about ten seconds."""
    waiting = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        waiting.wait(0.001)
    raise AssertionError("the condition did not become true within ten seconds")
