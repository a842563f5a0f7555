"""A simulator of Cloudflare's API on the loopback interface, for `--demo` and for the tests.

`Simulator` serves accounts over HTTP, and can inject faults. `demo` returns a simulator with one account that changes
over time.
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
