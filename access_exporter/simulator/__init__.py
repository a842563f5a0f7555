"""A Cloudflare Access account that answers over real HTTP, on the loopback interface only.

It serves what `--demo`, the tests and the benchmarks ask for, as the API pages say. `account` holds what is in an
account, `answers` how it is put, `api` who gets which answer, `server` the HTTP, `demo` the account that lives.
"""

from access_exporter.simulator.account import TOKEN, Account, Life, PolicyTest, PolicyTestUser, Row, User
from access_exporter.simulator.answers import (
    Paging,
    Response,
    contradictory_totals,
    error,
    honest_paging,
    no_result_info,
    null_result_info,
    success,
    totals_too_large,
    totals_too_small,
)
from access_exporter.simulator.api import Request
from access_exporter.simulator.demo import (
    DEMO_ACCOUNT_ID,
    DEMO_POLICIES,
    DEMO_POLICY_TESTS,
    DEMO_SEAT_LIMIT,
    DEMO_TOKEN,
    demo,
)
from access_exporter.simulator.server import Fault, Handler, Simulator

__all__ = [
    "DEMO_ACCOUNT_ID",
    "DEMO_POLICIES",
    "DEMO_POLICY_TESTS",
    "DEMO_SEAT_LIMIT",
    "DEMO_TOKEN",
    "TOKEN",
    "Account",
    "Fault",
    "Handler",
    "Life",
    "Paging",
    "PolicyTest",
    "PolicyTestUser",
    "Request",
    "Response",
    "Row",
    "Simulator",
    "User",
    "contradictory_totals",
    "demo",
    "error",
    "honest_paging",
    "no_result_info",
    "null_result_info",
    "success",
    "totals_too_large",
    "totals_too_small",
]
