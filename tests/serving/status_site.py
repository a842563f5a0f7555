"""An exporter with a status page that polls nothing: the test sets the result of each poll."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry

from access_exporter.collectors.followed_policy_test import PolicyTestSummary
from access_exporter.collectors.policy_tests import concern, result
from access_exporter.collectors.protocol import AnyCollector, Key
from access_exporter.collectors.users_summary import UsersSummary
from access_exporter.config.model import Account
from access_exporter.polling.snapshots import Snapshots, Store
from access_exporter.polling.storage import Kept
from access_exporter.serving.messages import Request, Response
from access_exporter.serving.routes import Web
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.web_settings import WebSettings
from tests.fakes import START, FakeClock, FakeCollector
from tests.running_server import Asker

LIMIT = 100
TITLES = {"users": "Users", "policy_tests": "Policy test"}


def people(used: int, **more: Any) -> UsersSummary:
    """Return the users summary of an account that uses this number of seats."""
    defaults = {"users_by_devices": {}, "users_logged_in": {"7d": 0}, "last_login": None}
    return UsersSummary({"access": used}, {"access": used}, used, active_devices=0, **(defaults | more))


class Target(FakeCollector):
    """A target about users or a policy test, with the methods that the status page calls."""

    def level(self, summary: Any) -> float | None:
        return summary.seats_used if isinstance(summary, UsersSummary) else None

    def status(self, summary: Any) -> Iterable[str]:
        return [result(summary)] if isinstance(summary, PolicyTestSummary) else []

    def concern(self, summary: Any) -> str | None:
        return concern(summary) if isinstance(summary, PolicyTestSummary) else None


class Stored:
    """A store that has the same summary for every target, one minute old, and saves nothing."""

    def __init__(self, summary: object) -> None:
        self._kept = Kept(summary, START - 60, {})

    def load(self, _: AnyCollector) -> Kept:
        return self._kept

    def save(self, *_: object) -> bool:
        return True

    def set_aside(self, *_: object) -> None: ...


class Site:
    """An exporter that polls nothing; the test sets the result of each poll."""

    def __init__(self, *names: str, tests: bool = False, store: Store | None = None) -> None:
        self.clock = FakeClock()
        self.snapshots = Snapshots(self.clock, store)
        kinds = ("users", "policy_tests") if tests else ("users",)
        self.targets = {
            (name, kind): Target(Key(name, kind, kind), lambda *_: None, lambda _: (), title=TITLES[kind])
            for name in names
            for kind in kinds
        }
        self.snapshots.configure(self.targets.values())
        page = StatusPage(self.snapshots, "/metrics", demo=False)
        page.accounts = [Account(id=name, seat_limit=LIMIT) for name in names]
        settings = WebSettings(None)
        self.web = Web(self.snapshots, CollectorRegistry(), page, None, metrics_path="/metrics", settings=settings)

    def polled(self, name: str, summary: object, kind: str = "users") -> None:
        self.snapshots.succeeded(self.targets[name, kind], summary, 1)

    def answer(self, query: str = "") -> Response:
        return asyncio.run(self.web.respond(Request("GET", "/", query, {}, Asker())))

    def page(self, query: str = "") -> str:
        return b"".join(self.answer(query).parts()).decode()


def order(page: str) -> list[str]:
    """Return the names of the accounts in the order of the page."""
    return re.findall(r'(?:<h2>|class="name">)<code><bdi>([\w-]+)</bdi>', page)


def targets(page: str) -> list[str]:
    """Return the text that the page shows for each target."""
    found = re.findall(r"<li><h3>(.*?)</li>", page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).replace("\N{NO-BREAK SPACE}", " ").split()) for each in found]
