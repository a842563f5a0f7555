"""The pace of a credential: never more than Cloudflare allows, and never slower than it has to be."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access_exporter.cloudflare.rate_limit import RateLimiter
from access_exporter.errors import RateLimitedError, StoppingError
from tests.fakes import FakeClock

WINDOW = 300


class Bench:
    """A limiter, and the times at which requests left."""

    def __init__(self, rate: float = 2, burst: int = 40, concurrency: int = 4) -> None:
        self.clock = FakeClock()
        self.limiter = RateLimiter(rate, burst, concurrency, self.clock)
        self.left: list[float] = []

    def send(self, requests: int = 1, until: float = float("inf")) -> list[float]:
        """Send so many requests one after the other and return when they left; begin none after `until`."""
        before = len(self.left)
        for _ in range(requests):
            if self.clock.monotonic() > until:
                break
            with self.limiter.turn():
                self.left.append(self.clock.monotonic())
        return self.left[before:]

    def most_in_a_window(self) -> int:
        """Return the most requests that left in any five minutes."""
        first = most = 0
        for last, time in enumerate(self.left):
            while self.left[first] < time - WINDOW:
                first += 1
            most = max(most, last - first + 1)
        return most


RATES = [
    (0.01, 1),
    (0.01, 40),
    (0.1, 1),
    (0.1, 40),
    (0.5, 40),
    (1, 1),
    (2, 1),
    (2, 40),
    (2, 300),
    (2, 100_000),
    (4, 40),
]
spans = st.one_of(st.floats(0, 1), st.floats(0, 700), st.sampled_from([0.0, 299.0, 300.0, 301.0]))
actions = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 400)),
    st.tuples(st.just("idle"), spans),
    st.tuples(st.just("pause"), spans),
    st.tuples(st.just("slow down"), st.tuples(st.integers(0, 1200), spans)),
)


class TestLimit:
    @settings(max_examples=150, deadline=None)
    @given(pair=st.sampled_from(RATES), script=st.lists(actions, max_size=12))
    def test_never_more_than_allowed(self, pair: tuple[float, int], script: list[tuple[str, object]]) -> None:
        """Whatever happens in between, no five minutes see more requests than five minutes allow."""
        rate, burst = pair
        bench = Bench(rate, burst)
        for action, argument in script:
            match action, argument:
                case "send", int(requests):
                    bench.send(requests)
                case "idle", float(seconds):
                    bench.clock.now += seconds
                case "pause", float(seconds):
                    bench.limiter.pause(seconds)
                case "slow down", (int(remaining), float(reset)):
                    bench.limiter.slow_down(remaining, reset)
        assert bench.most_in_a_window() <= max(1, rate * WINDOW)

    @pytest.mark.parametrize(("rate", "burst"), RATES)
    @pytest.mark.parametrize("idle", [0.0, 150.0, 300.0, 3000.0])
    def test_steady_stream(self, rate: float, burst: int, idle: float) -> None:
        """A burst and the stream after it, again after an idle time, stay below the limit and come close to it."""
        bench = Bench(rate, burst)
        bench.send(3000, until=1000)
        bench.clock.now += idle
        bench.send(3000, until=2000 + idle)
        assert rate * WINDOW * 0.4 <= bench.most_in_a_window() <= rate * WINDOW

    def test_default(self) -> None:
        """Two a second with a burst of forty make 600 requests in five minutes, the last of them kept in reserve."""
        bench = Bench()
        bench.send(1200)
        assert bench.most_in_a_window() == 599


class TestBurst:
    @pytest.mark.parametrize(("rate", "burst", "at_once"), [(2, 40, 40), (2, 1, 1), (4, 100, 100), (2, 5000, 300)])
    def test_at_once(self, rate: float, burst: int, at_once: int) -> None:
        """The burst leaves without a wait, as far as half of what five minutes allow; the next request waits."""
        bench = Bench(rate, burst)
        bench.send(at_once)
        assert bench.clock.slept == []
        bench.send()
        assert len(bench.clock.slept) == 1

    def test_spread_afterwards(self) -> None:
        """After the burst requests are spread evenly over what is left of the five minutes."""
        bench = Bench(rate=2, burst=39)
        bench.send(39)
        # 600 a window, 39 of them gone and one in reserve: 560 in 300 seconds.
        assert bench.send(3) == pytest.approx([300 / 560, 600 / 560, 900 / 560])

    def test_earned_again(self) -> None:
        """An idle limiter earns its burst again, one request after the other, and never a larger one."""
        bench = Bench(rate=2, burst=39)
        bench.send(39)
        bench.clock.now += 10 * 300 / 560
        bench.send(10)
        assert bench.clock.slept == []
        bench.clock.now += 10_000
        bench.send(39)
        assert bench.clock.slept == []
        bench.send()
        assert bench.clock.slept == pytest.approx([300 / 560])


class TestPause:
    def test_nothing_leaves(self) -> None:
        """During a pause nothing leaves, and after it no burst."""
        bench = Bench(rate=2, burst=39)
        bench.send(5)
        bench.limiter.pause(60)
        assert bench.limiter.paused_for() == 60
        assert bench.send(3) == pytest.approx([60, 60 + 300 / 560, 60 + 600 / 560])
        assert bench.limiter.paused_for() == 0

    def test_only_longer(self) -> None:
        """A pause is made longer by another one, never shorter."""
        bench = Bench()
        bench.limiter.pause(60)
        bench.clock.now += 20
        bench.limiter.pause(10)
        assert bench.limiter.paused_for() == 40
        bench.limiter.pause(50)
        assert bench.limiter.paused_for() == 50


class TestSlowDown:
    def test_spread(self) -> None:
        """The requests that are left are spread over the time they must last."""
        bench = Bench()
        bench.limiter.slow_down(remaining=5, reset=30)
        assert bench.send(6) == pytest.approx([5, 10, 15, 20, 25, 30])

    def test_nothing_left(self) -> None:
        """Where no request is left, the next one waits until there are more."""
        bench = Bench()
        bench.send(3)
        bench.limiter.slow_down(remaining=0, reset=120)
        assert bench.send() == [120]

    def test_again_and_again(self) -> None:
        """Told anew after each answer, a client arrives at the reset with nothing left and no refusal."""
        bench = Bench()
        for remaining in reversed(range(4)):
            bench.limiter.slow_down(remaining, 40 - bench.clock.monotonic())
            bench.send()
        assert bench.left == pytest.approx([10, 20, 30, 40])

    def test_enough(self) -> None:
        """Where more is left than the pace would use, nothing changes, not even the burst."""
        bench = Bench()
        bench.limiter.slow_down(remaining=1199, reset=300)
        bench.send(40)
        assert bench.clock.slept == []

    def test_over(self) -> None:
        """After the reset the pace is its own again."""
        bench = Bench(rate=2, burst=39)
        bench.limiter.slow_down(remaining=1, reset=30)
        bench.send(2)
        bench.clock.now += 60
        bench.clock.slept.clear()
        bench.send(39)
        assert bench.clock.slept == []

    def test_better_news(self) -> None:
        """News that there is plenty again are followed at once."""
        bench = Bench()
        bench.limiter.slow_down(remaining=9, reset=100)
        bench.send()
        bench.limiter.slow_down(remaining=1000, reset=300)
        assert bench.send(1)[0] < 11

    @pytest.mark.parametrize(("remaining", "reset"), [(-5, 60), (0, -60), (0, 10**9), (10**9, 10**9)])
    def test_nonsense(self, remaining: int, reset: float) -> None:
        """No word of the server makes a request wait longer than a window."""
        bench = Bench()
        bench.limiter.slow_down(remaining, reset)
        assert bench.send()[0] <= WINDOW


@contextmanager
def threads(*work: Callable[[], None]) -> Iterator[list[threading.Thread]]:
    """Threads that must have ended when the block does."""
    running = [threading.Thread(target=each, daemon=True) for each in work]
    yield running
    for thread in running:
        thread.join(10)
        assert not thread.is_alive()


class TestPlaces:
    def test_in_flight(self) -> None:
        """No more requests are in flight than there are places, and a place that is left is taken at once."""
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
        """Who waits for a place gets it in the order of arrival."""
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
                    until(lambda number=number: bench.limiter.waiting == number)  # type: ignore[misc]
            for thread in running:
                thread.join(10)
        assert served == [0, 1, 2, 3, 4]

    def test_impatient(self) -> None:
        """Who waits for a short time only goes away when that is over, and leaves every place to the others."""
        bench = Bench(concurrency=1)
        with bench.limiter.turn(), pytest.raises(RateLimitedError), bench.limiter.turn(0.01):
            raise AssertionError("two have the only place")
        assert bench.limiter.is_at_rest() is False
        assert len(bench.send()) == 1

    def test_impatient_at_a_pause(self) -> None:
        """Who waits for a short time only goes away at once where a pause is longer, and waits for a shorter one."""
        bench = Bench()
        bench.limiter.pause(10)
        with pytest.raises(RateLimitedError), bench.limiter.turn(5):
            raise AssertionError("sent in a pause")
        assert bench.clock.slept == []
        with bench.limiter.turn(10):
            assert bench.clock.slept == [10]

    def test_failure(self) -> None:
        """A request that fails gives its place back."""
        bench = Bench(concurrency=1)
        with pytest.raises(OSError, match="reset"), bench.limiter.turn():
            raise OSError("reset")
        assert len(bench.send()) == 1

    def test_stop(self) -> None:
        """A wait that is cut short because the process stops gives its place back."""
        bench = Bench(burst=1, concurrency=1)
        bench.send()
        bench.clock.stop.set()
        with pytest.raises(StoppingError):
            bench.send()
        bench.clock.stop.clear()
        assert len(bench.send()) == 1


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as another thread has made the condition true."""
    waiting = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        waiting.wait(0.001)
    raise AssertionError("it did not happen within ten seconds")
