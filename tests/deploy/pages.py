"""Status pages of made-up accounts, and a web server that sends them with the exporter's own headers."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType
from typing import Any

from access_exporter.collectors import policy_tests
from access_exporter.collectors.followed_policy_test import PolicyTestSummary
from access_exporter.collectors.protocol import Key
from access_exporter.collectors.users_summary import UsersSummary
from access_exporter.config.model import Account, PolicyTest
from access_exporter.errors import AuthError, NetworkError, NotFoundError, PermissionMissingError, PollError
from access_exporter.polling import History, Walked
from access_exporter.polling.snapshots import Snapshot
from access_exporter.serving.status_accounts import Row
from access_exporter.serving.status_page import View, render
from access_exporter.serving.status_style import content_security_policy
from tests.fakes import FakeCollector

NOW = 1_790_000_000.0
FAILURES: tuple[PollError, ...] = (
    PermissionMissingError("403 from /access/users: the token needs the permission Access: Audit Logs Read"),
    NetworkError("no answer from /access/users: the name api.cloudflare.com is not known"),
    AuthError("401 from /access/users: the credential is not accepted; it may have expired or been rolled"),
    NotFoundError("404 from /access/policy-tests/f1a8b3c9d4e5f6789a0b1c2d3e4f5678a9b0c1d2e3f4a5b67890c1d2e3f4b5a6"),
)
NAMES = (
    "Example",
    "Ümläut & Søns <GmbH>",
    "A subsidiary with a name that nobody ever got round to shortening, and its many friends",
    "Averylongnamethatsomebodytypedwithoutasinglespacesothatitcannotbebrokenanywhere",
)


def page(number: int, *, errors: bool, demo: bool = False) -> str:
    """Return a status page with this number of accounts.

    With `errors`, some polls fail, some have not finished, and some succeeded too long ago.
    """
    accounts = [_account(index) for index in range(number)]
    rows = [row for index, account in enumerate(accounts) for row in _rows(index, account, errors=errors)]
    return render(accounts, rows, NOW, View(demo=demo))


def _account(index: int) -> Account:
    name = NAMES[index] if index < len(NAMES) else f"Subsidiary {index}" if index % 7 else None
    limit = None if index % 11 == 5 else 60 + index * 13
    return Account(id=f"{index:032x}", name=name, seat_limit=limit, policy_tests=_tests(index))


def _tests(index: int) -> tuple[PolicyTest, ...]:
    return tuple(PolicyTest(id=f"{index}{test}", name=test) for test in ("wiki", "payroll")[: (index + 2) % 3])


def _rows(index: int, account: Account, *, errors: bool) -> Iterator[Row]:
    used = int((account.seat_limit or 80) * (0.55, 0.87, 0.97, 0.7, 1.04)[index % 5])
    seats = UsersSummary(
        users={"none": 12 + index, "access": used, "gateway": 0, "both": 0, "unknown": 0},
        seats={"access": used, "gateway": used // 2},
        seats_used=used,
        active_devices=used * 2,
        users_by_devices={"0": 12, "1": used},
        idle={str(days): used // days + 1 for days in (30, 60, 90)},
        never_used=index % 4,
        users_logged_in={"1d": used // 3, "7d": used // 2, "30d": used - 1},
        last_login=NOW - 60,
    )
    yield _row(account, "users", "users", seats, failing=index if errors and index % 3 == 0 else None)
    for number, test in enumerate(account.policy_tests):
        outcome = {"approved": 40 + index, "blocked": 7, "error": number, "unknown": 0}
        status = ("complete", "exceeded time" if errors else "processing")[number]
        result = PolicyTestSummary(status, 60, (1, 0.4)[number], outcome, finished=NOW - 90_000)
        waiting = errors and index % 3 == 1 and number == 1
        yield _row(
            account,
            "policy_tests",
            test.label,
            None if waiting else result,
            failing=3 if errors and index % 3 == 2 else None,
        )


class _PolicyTest(FakeCollector):
    title = "Policy test"

    def status(self, summary: PolicyTestSummary) -> Iterable[str]:
        return [policy_tests.result(summary)]

    def concern(self, summary: PolicyTestSummary) -> str | None:
        return policy_tests.concern(summary)


def _row(account: Account, collector: str, target: str, summary: Any, *, failing: int | None) -> Row:
    kind = _PolicyTest if collector == "policy_tests" else FakeCollector
    aim = kind(Key(account.id, collector, target), _nothing, _nothing, interval=300, stale_after=1800, title=kind.title)
    if summary is None:
        return Row(Snapshot(aim), fresh=False, walked=Walked(12, 260, 118))
    if failing is None:
        history = _history(summary.seats_used) if isinstance(summary, UsersSummary) else History()
        polled = Snapshot(aim, summary=summary, polled_at=NOW - 20, succeeded_at=NOW - 20, history=history)
        return Row(polled, fresh=True)
    succeeded = (NOW - 620, NOW - 7200, None)[failing // 3 % 3]
    kept = None if succeeded is None else summary
    failure = FAILURES[failing // 3 % 3 if collector == "users" else 3]
    snapshot = Snapshot(aim, summary=kept, polled_at=NOW - 20, succeeded_at=succeeded, failure=failure)
    return Row(snapshot, fresh=succeeded == NOW - 620)


def _history(used: int) -> History:
    """Return four days of seats in use: they rise to the current number, with a dip each night."""
    history = History()
    for poll in range(0, 4 * 86400, 300):
        dip = 3 * (poll // 43200 % 2)
        history = history.noted(poll, used - dip - (4 * 86400 - poll) // 43200)
    return history.noted(4 * 86400, used)


def _nothing(*_: object) -> Any:
    raise AssertionError("a status page polls no target")


@contextmanager
def served(pages: Mapping[str, str], refreshes: Mapping[str, int] = MappingProxyType({})) -> Iterator[str]:
    """Serve pages by their path, with the exporter's Content-Security-Policy; yield the URL of the server.

    `refreshes` has the seconds of the Refresh header for each page that has this header.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", content_security_policy())
            if self.path in refreshes:
                self.send_header("refresh", str(refreshes[self.path]))
            self.send_header("cache-control", "no-store")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, name="pages", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
