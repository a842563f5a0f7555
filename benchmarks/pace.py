"""The most requests that an exporter with 50 accounts and one token sends in any five minutes.

    python -m benchmarks.pace [simulated hours]

The accounts have more pages than five minutes allow, so only the pace limits the exporter. One response in thirty is a
429 or a 503. The exporter reloads its configuration every five minutes, and every second reload changes the burst.
"""

import logging
import random
import sys
from collections.abc import Sequence

from access_exporter import simulator
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, Handler, PolicyTestUser, Request, Response, Simulator, User
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.server import Fault
from tests.fakes import FakeClock
from tests.fleet import Fleet

ACCOUNTS = [f"account-{number}" for number in range(50)]
PAGES = 30
TEST = "f1a8" * 16
WINDOW_SECONDS = 300


def arrivals(hours: float, seed: int = 1) -> list[float]:
    """Return the arrival time of each request in seconds, over this number of simulated hours."""
    clock = FakeClock()
    chance = random.Random(seed)
    times: list[float] = []

    def choose(request: Request) -> Fault | None:
        times.append(request.time)
        if chance.random() > 1 / 30:
            return None
        refusal = Response(chance.choice((429, 503)), b"{}", {"Retry-After": chance.choice(("0", "3", "20", "soon"))})
        return lambda handler: Handler.send(handler, refusal)

    users = [User(str(number)) for number in range(PAGES)]
    test = simulator.PolicyTest(TEST, "processing", [PolicyTestUser("1")])
    accounts = [Account(account_id, users, [test]) for account_id in ACCOUNTS]
    with Simulator(accounts, max_per_page=1, clock=clock.time, fault=choose) as server:
        exporter = Fleet(config(server.url, burst=40), clock)
        for number in range(round(hours * 12)):
            exporter.run(WINDOW_SECONDS)
            exporter.load(config(server.url, burst=40 + number // 2 % 2))
    return times


def config(url: str, burst: int) -> Config:
    """Return the configuration of all accounts, with one token, the default pace and this burst."""
    token = Secret("the benchmark", TOKEN)
    test = PolicyTest(id=TEST)
    accounts = tuple(AccountConfig(id=each, api_token=token, policy_tests=(test,)) for each in ACCOUNTS)
    return Config(api=Api(url=url, burst=burst), accounts=accounts)


def most_in_a_window(times: Sequence[float]) -> int:
    """Return the most requests that arrived in any five minutes."""
    first = most = 0
    for last, time in enumerate(times):
        while times[first] < time - WINDOW_SECONDS:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    """Print the number of requests, the most in five minutes, and the limits."""
    logging.disable()
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 2
    times = arrivals(hours)
    allowed = Api().requests_per_second * WINDOW_SECONDS
    print(f"accounts={len(ACCOUNTS)} simulated_hours={hours:g} requests={len(times)}")
    print(f"most_in_five_minutes={most_in_a_window(times)} configured={allowed:g} cloudflare_allows=1200")


if __name__ == "__main__":
    main()
