"""The pace of a credential: never above the rate limit of Cloudflare, and not slower than necessary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cloudflare.pace import WINDOW, Bench

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
        """The limiter never sends more requests in five minutes than the rate limit allows."""
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
        """A burst and steady requests after it use 40 % to 100 % of the rate limit, even after an idle time."""
        bench = Bench(rate, burst)
        bench.send(3000, until=1000)
        bench.clock.now += idle
        bench.send(3000, until=2000 + idle)
        assert rate * WINDOW * 0.4 <= bench.most_in_a_window() <= rate * WINDOW

    def test_default(self) -> None:
        """By default (2 requests a second, burst of 40), 599 requests are sent in five minutes and 1 is in reserve."""
        bench = Bench()
        bench.send(1200)
        assert bench.most_in_a_window() == 599


class TestBurst:
    @pytest.mark.parametrize(("rate", "burst", "at_once"), [(2, 40, 40), (2, 1, 1), (4, 100, 100), (2, 5000, 300)])
    def test_burst_without_a_wait(self, rate: float, burst: int, at_once: int) -> None:
        """The limiter sends the burst without a wait, up to half of the limit for five minutes."""
        bench = Bench(rate, burst)
        bench.send(at_once)
        assert bench.clock.slept == []
        bench.send()
        assert len(bench.clock.slept) == 1

    def test_requests_after_the_burst(self) -> None:
        """After the burst, the limiter spreads the remaining requests evenly over the five minutes."""
        bench = Bench(rate=2, burst=39)
        bench.send(39)
        # Of 600 requests in five minutes, 39 are sent and 1 is in reserve: 560 remain for 300 seconds.
        assert bench.send(3) == pytest.approx([300 / 560, 600 / 560, 900 / 560])

    def test_burst_after_idle_time(self) -> None:
        """While the limiter is idle, the burst grows back, one request after the other, up to its configured size."""
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
    def test_no_request_during_a_pause(self) -> None:
        """The limiter sends no request during a pause, and no burst after it."""
        bench = Bench(rate=2, burst=39)
        bench.send(5)
        bench.limiter.pause(60)
        assert bench.limiter.paused_for() == 60
        assert bench.send(3) == pytest.approx([60, 60 + 300 / 560, 60 + 600 / 560])
        assert bench.limiter.paused_for() == 0

    def test_second_pause(self) -> None:
        """A second pause can make a pause longer, but never shorter."""
        bench = Bench()
        bench.limiter.pause(60)
        bench.clock.now += 20
        bench.limiter.pause(10)
        assert bench.limiter.paused_for() == 40
        bench.limiter.pause(50)
        assert bench.limiter.paused_for() == 50


class TestSlowDown:
    def test_few_remaining_requests(self) -> None:
        """The limiter spreads the remaining requests evenly over the time until the reset."""
        bench = Bench()
        bench.limiter.slow_down(remaining=5, reset=30)
        assert bench.send(6) == pytest.approx([5, 10, 15, 20, 25, 30])

    def test_no_remaining_request(self) -> None:
        """If no request remains, the limiter waits until the reset."""
        bench = Bench()
        bench.send(3)
        bench.limiter.slow_down(remaining=0, reset=120)
        assert bench.send() == [120]

    def test_update_after_each_response(self) -> None:
        """If each response updates the remaining requests, the limiter uses the last one exactly at the reset."""
        bench = Bench()
        for remaining in reversed(range(4)):
            bench.limiter.slow_down(remaining, 40 - bench.clock.monotonic())
            bench.send()
        assert bench.left == pytest.approx([10, 20, 30, 40])

    def test_many_remaining_requests(self) -> None:
        """If more requests remain than the pace needs, the limiter does not slow down."""
        bench = Bench()
        bench.limiter.slow_down(remaining=1199, reset=300)
        bench.send(40)
        assert bench.clock.slept == []

    def test_after_the_reset(self) -> None:
        """After the reset, the limiter returns to its own pace."""
        bench = Bench(rate=2, burst=39)
        bench.limiter.slow_down(remaining=1, reset=30)
        bench.send(2)
        bench.clock.now += 60
        bench.clock.slept.clear()
        bench.send(39)
        assert bench.clock.slept == []

    def test_more_remaining_requests(self) -> None:
        """The limiter speeds up at once when the server reports more remaining requests."""
        bench = Bench()
        bench.limiter.slow_down(remaining=9, reset=100)
        bench.send()
        bench.limiter.slow_down(remaining=1000, reset=300)
        assert bench.send(1)[0] < 11

    @pytest.mark.parametrize(("remaining", "reset"), [(-5, 60), (0, -60), (0, 10**9), (10**9, 10**9)])
    def test_absurd_numbers(self, remaining: int, reset: float) -> None:
        """A request waits at most five minutes, even if the server sends absurd numbers."""
        bench = Bench()
        bench.limiter.slow_down(remaining, reset)
        assert bench.send()[0] <= WINDOW
