"""The age of the data of 10,000 accounts, by number of tokens and interval: python -m benchmarks.fleet.

This is a discrete-event simulation with the exporter's own rate limiter. docs/scaling.md has its results and
assumptions. Tokens do not affect each other, so the simulation runs them one by one, each with its share of accounts.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise

import msgspec

from access_exporter.cloudflare.pagination import MAX_ROWS
from access_exporter.cloudflare.rate_limit import WINDOW_SECONDS, RateLimiter
from access_exporter.collectors.organization import ASK_AGAIN_SECONDS
from access_exporter.config.model import Api
from benchmarks import documents
from benchmarks.cloudflare import PAGE_SIZE
from benchmarks.pace import most_in_a_window
from tests.fakes import START, FakeClock

ACCOUNTS = 10_000
TOKENS = (10, 20, 40, 80, 160, 10_000)
INTERVALS = {"5m": 300, "15m": 900, "1h": 3600, "6h": 21600}
# The simulation leaves out the first 32 rounds of all accounts and counts the next 32: a large poll may take many.
ROUNDS = 32
MEDIAN_USERS, SPREAD, MOST_USERS = 300, 1.8, 500_000  # a log-normal distribution
MEDIAN_ANSWER_SECONDS, ANSWER_SPREAD = 0.5, 0.5
DEVICES_SECONDS = 900  # the default interval between two polls of an account's devices
API = Api()


def sizes(accounts: int, seed: int = 1) -> list[int]:
    """Return a made-up number of users for each account; most accounts are small, and a few are large."""
    chance = random.Random(seed)
    drawn = (chance.lognormvariate(math.log(MEDIAN_USERS), SPREAD) for _ in range(accounts))
    return [min(MOST_USERS, 1 + int(users)) for users in drawn]


def requests_for(users: int) -> int:
    """Return how many requests the list of users takes; after a full page, the exporter always requests another one."""
    return users // PAGE_SIZE + 1


class Walk(msgspec.Struct):
    """One poll of an account, with the number of its requests that are not yet sent or not yet answered."""

    account: int
    started: float
    requests: int
    unsent: int
    unanswered: int


class Token:
    """A token, and the accounts that the exporter polls with this token."""

    def __init__(self, requests: Iterable[int], interval: float, seed: int) -> None:
        """Make every account due at once, as when the exporter starts."""
        self._clock = FakeClock()
        # The simulation limits the concurrency itself, by events, because the limiter would make threads wait.
        self._pacer = RateLimiter(API.requests_per_second, API.burst, 1, self._clock)
        self._places = API.concurrency
        self._waiting: deque[Walk] = deque()
        self._requests = list(requests)
        self._interval = interval
        self._chance = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._asked: dict[int, float] = {}  # the time of the last request for the seat expiration time
        self._begun: dict[int, float] = {}  # the start of the poll that an account's published data comes from
        self._published: dict[int, float] = {}
        self._under_way: dict[int, Walk] = {}
        self.sent: list[float] = []
        self.ages: list[tuple[float, float]] = []
        self.longest_poll = 0.0
        for account in range(len(self._requests)):
            self._at(0.0, lambda account=account: self._start(account))  # type: ignore[misc]  # a lambda with a default is not typed

    def run(self, until: float, counted_from: float) -> None:
        """Simulate until this second, and count ages from `counted_from` on."""
        self._counted_from, self._until = counted_from, until
        while self._events and self._events[0][0] <= until:
            now, _, happen = heapq.heappop(self._events)
            self._clock.now = START + now
            happen()
        for account in range(len(self._requests)):
            self._count_age(account, until)
        for walk in self._under_way.values():
            self.longest_poll = max(self.longest_poll, until - walk.started)

    @property
    def _now(self) -> float:
        return self._clock.monotonic()

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happen))

    def _start(self, account: int) -> None:
        """Begin a poll with its first page, because only that page says how many pages there are."""
        requests = self._requests[account]
        if self._now - self._asked.get(account, -math.inf) >= ASK_AGAIN_SECONDS:
            self._asked[account] = self._now
            requests += 1
        walk = self._under_way[account] = Walk(account, self._now, requests, requests - 1, requests)
        self._waiting.append(walk)
        self._hand_out_places()

    def _hand_out_places(self) -> None:
        while self._waiting and self._places:
            self._places -= 1
            self._send(self._waiting.popleft())

    def _send(self, walk: Walk) -> None:
        """Send a request as soon as the pace allows it."""
        if (wait := self._pacer.take()) > 0:
            self._at(self._now + wait, lambda: self._send(walk))
            return
        self.sent.append(self._now)
        took = self._chance.lognormvariate(math.log(MEDIAN_ANSWER_SECONDS), ANSWER_SPREAD)
        self._at(self._now + took, lambda: self._answer(walk))

    def _answer(self, walk: Walk) -> None:
        """Receive a page; queue the next request, or several after the first page, or publish after the last page."""
        self._places += 1
        is_first = walk.unanswered == walk.requests
        walk.unanswered -= 1
        for _ in range(min(walk.unsent, API.concurrency if is_first else 1)):
            walk.unsent -= 1
            self._waiting.append(walk)
        if not walk.unanswered:
            self._publish(walk)
        self._hand_out_places()

    def _publish(self, walk: Walk) -> None:
        """Publish the data; the next poll is due one interval after this poll began, or at once if that has passed."""
        self._count_age(walk.account, self._now)
        self.longest_poll = max(self.longest_poll, self._now - walk.started)
        del self._under_way[walk.account]
        self._begun[walk.account], self._published[walk.account] = walk.started, self._now
        self._at(max(self._now, walk.started + self._interval), lambda: self._start(walk.account))

    def _count_age(self, account: int, until: float) -> None:
        """Record the range of ages of an account's data, from its publication (or `counted_from`) until now."""
        begun = self._begun.get(account, 0.0)
        shown = max(self._published.get(account, 0.0), self._counted_from)
        if shown < until:
            self.ages.append((shown - begun, until - begun))


class Result(msgspec.Struct, frozen=True):
    """The 99th percentile of the age of data in seconds, the longest poll in seconds, and the most requests."""

    age: float
    longest_poll: float
    most_requests: int  # in any five minutes


def simulate(users: list[int], tokens: int, interval: float) -> Result:
    """Simulate polls of accounts with these numbers of users, and leave out the first rounds."""
    requests = [requests_for(each) for each in users]
    round_seconds = (
        (sum(requests) + len(users) * _expiration_requests_per_poll(interval)) / tokens / sustained_rate(API)
    )
    settled = max(2 * interval, ROUNDS * round_seconds)
    ages: list[tuple[float, float]] = []
    most, longest = 0, 0.0
    for number in range(tokens):
        token = Token(requests[number::tokens], interval, seed=number)
        token.run(until=2 * settled, counted_from=settled)
        ages += token.ages
        most, longest = max(most, most_in_a_window(token.sent)), max(longest, token.longest_poll)
    return Result(percentile(ages, 0.99), longest, most)


def _expiration_requests_per_poll(interval: float) -> float:
    """Return the share of polls that also request the seat expiration time."""
    return min(1.0, interval / ASK_AGAIN_SECONDS)


def _device_pages_per_page(interval: float) -> float:
    """Return how many pages of devices the exporter reads for each page of users; this is at most 1."""
    return interval / max(interval, DEVICES_SECONDS)


def percentile(spans: Iterable[tuple[float, float]], share: float) -> float:
    """Return the percentile of values that are evenly spread over these spans; `share` is from 0 to 1."""
    edges = sorted(edge for low, high in spans for edge in ((low, 1), (high, -1)))
    depths = itertools.accumulate(step for _, step in edges)  # how many spans cover each piece between two edges
    pieces = [(low, high - low, depth) for ((low, _), (high, _)), depth in zip(pairwise(edges), depths, strict=False)]
    left = share * sum(width * depth for _, width, depth in pieces)
    for low, width, depth in pieces:
        if left <= width * depth:
            return low + left / depth
        left -= width * depth
    raise ValueError("the share must be from 0 to 1, and there must be a span")


def sustained_rate(api: Api) -> float:
    """Return the requests a second that the rate limiter allows in the long run, after a burst."""
    limiter = RateLimiter(api.requests_per_second, api.burst, api.concurrency, FakeClock())
    while not (wait := limiter.take()):
        pass
    return 1 / wait


def ages_table(users: list[int]) -> str:
    """Return a table of the age of data by tokens and interval, with the most requests of a token in five minutes."""
    rows = []
    for tokens in TOKENS:
        results = [simulate(users, tokens, interval) for interval in INTERVALS.values()]
        most = max(result.most_requests for result in results)
        assert most <= API.requests_per_second * WINDOW_SECONDS
        longest = in_words(results[0].longest_poll)
        rows.append((f"{tokens:,}", *(in_words(result.age) for result in results), longest, most))
    heads = ("Tokens", *INTERVALS, f"Longest poll at {next(iter(INTERVALS))}", "Most requests in 5 minutes")
    return documents.table(heads, rows)


def budget_table() -> str:
    """Return a table of how many small accounts, or how many users of one account, a token can poll at two paces.

    Both include the users' devices. A single account needs two more requests: one for the seat expiration time and one
    for a page of devices that is not full.
    """
    paces = [sustained_rate(Api(requests_per_second=rate)) for rate in (API.requests_per_second, 4)]
    rows = []
    for name, interval in INTERVALS.items():
        requests = [int(pace * interval + 1e-6) for pace in paces]  # 1e-6 corrects rounding errors of whole numbers
        pages = 1 + _device_pages_per_page(interval)
        accounts = [int(each / (pages + _expiration_requests_per_poll(interval))) for each in requests]
        users = [min(int((each - 2) / pages) * PAGE_SIZE, MAX_ROWS) for each in requests]
        rows.append((name, *(f"{small:,} or {large:,}" for small, large in zip(accounts, users, strict=True))))
    return documents.table(("Interval", "At the default pace", "With `requests_per_second: 4`"), rows)


def sizes_in_words(users: list[int]) -> str:
    """Describe the made-up accounts."""
    small, large = sum(each < PAGE_SIZE for each in users), sum(each > 100 * PAGE_SIZE for each in users)
    return (
        f"{len(users):,} accounts with {sum(users):,} users: {small / len(users):.0%} have fewer than "
        f"{PAGE_SIZE:,} users (one page), {large} have more than {100 * PAGE_SIZE:,}, "
        f"and the largest has {max(users):,}.\n"
        f"One poll of every account takes {sum(map(requests_for, users)):,} requests in total, "
        f"and once an hour {len(users):,} more.\n"
    )


def tenth(users: list[int]) -> str:
    """Describe the ages for a tenth of accounts and tokens, which are similar: only accounts per token matter."""
    few, tokens = users[: len(users) // 10], 16
    ages = (f"{in_words(simulate(few, tokens, interval).age)} at {name}" for name, interval in INTERVALS.items())
    return f"The ages with only the first {len(few):,} accounts and {tokens} tokens: {', '.join(ages)}.\n"


def in_words(seconds: float) -> str:
    """Return a duration in minutes and seconds, or in hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def main() -> None:
    """Write the tables."""
    users = sizes(ACCOUNTS)
    ages = f"{sizes_in_words(users)}\n{ages_table(users)}\n{tenth(users)}"
    documents.write(documents.DOCS / "scaling.md", {"budget": budget_table(), "ages": ages})


if __name__ == "__main__":
    main()
