"""Accounts in, Cloudflare's API on the loopback interface out: for `--demo` and for the tests.

`Simulator` serves accounts over HTTP, with faults on demand; `demo` is one with an account that lives.
"""

from access_exporter.simulator.account import Account, PolicyTest, PolicyTestUser, User
from access_exporter.simulator.answers import Response
from access_exporter.simulator.api import Request
from access_exporter.simulator.demo import DEMO, demo
from access_exporter.simulator.server import Handler, Simulator

__all__ = [
    "DEMO",
    "Account",
    "Handler",
    "PolicyTest",
    "PolicyTestUser",
    "Request",
    "Response",
    "Simulator",
    "User",
    "demo",
]
