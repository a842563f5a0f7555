"""Policy tests that the exporter starts: a whole simulated life of them in, the exposition and the requests out."""

import itertools
import socket
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.utils import floatToGoString

from access_exporter.cloudflare import transport
from access_exporter.collectors.fresh_policy_tests import FreshSummary
from access_exporter.collectors.policy_tests import Result
from access_exporter.collectors.result_digest import DigestBuilder, ResultDigest
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.serving.status_page import Row, render
from access_exporter.simulator import Account, PolicyTestUser, Simulator
from access_exporter.simulator.account import TOKEN, Life
from access_exporter.simulator.server import Fault
from tests.exporter import ACCOUNT_ID, page_of
from tests.fakes import START, FakeClock
from tests.faults import answers, refuses, result
from tests.fleet import Fleet

REFRESH = 3600
POLICIES = ("a-reusable-policy", "another")
COUNTS = ("users_approved", "users_blocked", "users_error", "users_unknown")
CHANGES = ("newly_approved", "newly_blocked", "newly_error")
STATUSES = ("is_blocked", "is_processing", "is_exceeded_time", "is_complete")


def results(*statuses: str) -> list[PolicyTestUser]:
    """A result for each of some people."""
    return [PolicyTestUser(f"person-{number}", "jdoe@example.com", status=word) for number, word in enumerate(statuses)]


def payroll(**changes: Any) -> PolicyTest:
    """A test that is started every hour and polled every five minutes."""
    values: dict[str, Any] = {"name": "payroll", "policies": POLICIES, "refresh": Interval(REFRESH)}
    return PolicyTest(**(values | changes))


class Bench:
    """An exporter with one fresh policy test, and an account whose tests take a minute unless told otherwise."""

    def __init__(self, *lives: Life, config: PolicyTest | None = None, **api: Any) -> None:
        self.clock = FakeClock()
        self.account = Account(ACCOUNT_ID)
        default = Life(results("approved", "approved", "approved", "blocked"), seconds=60)
        self.lives = itertools.chain(lives, itertools.repeat(lives[-1] if lives else default))
        self.account.lives[POLICIES] = lambda: next(self.lives)
        self.server = Simulator([self.account], clock=self.clock.time)
        self.server.start()
        self.api = api
        self.exporter = Fleet(self.config(config or payroll()), self.clock)

    def config(self, *tests: PolicyTest) -> Config:
        """A configuration of these tests and nothing else."""
        api = Api(url=self.server.url, **({"requests_per_second": 10_000, "burst": 1_000_000} | self.api))
        account = AccountConfig(id=ACCOUNT_ID, api_token=Secret("test", TOKEN), users=False, policy_tests=tests)
        return Config(api=api, accounts=(account,))

    def page(self) -> str:
        """The exposition, with ID in the place of the test's id."""
        page = self.exporter.page()
        for test_id in self.account.policy_tests:
            page = page.replace(test_id, "ID")
        return page

    def status_page(self) -> str:
        """The page for people."""
        config = self.config(payroll())
        rows = [Row(snapshot, fresh=True) for snapshot in self.exporter.snapshots()]
        page = render(config.accounts, rows, self.clock.time(), "/metrics", demo=False)
        return page.replace("\N{NO-BREAK SPACE}", " ")

    def asked(self, method: str, endpoint: str = "") -> list[float]:
        """When requests of a kind arrived, in seconds since the start."""
        arrivals = [each for each in self.server.arrivals if each.method == method]
        return [each.time - START for each in arrivals if not endpoint or each.endpoint == endpoint]


@pytest.fixture
def bench() -> Any:
    """Makes a bench, and stops its servers in the end."""
    made: list[Bench] = []

    def make(*lives: Life, **options: Any) -> Bench:
        made.append(Bench(*lives, **options))
        return made[-1]

    yield make
    for each in made:
        each.server.stop()


def expected(**values: float | str | None) -> str:
    """The exposition with these values; what is not named is absent or 0."""
    absent: dict[str, Any] = dict.fromkeys((*COUNTS, *CHANGES, "finished"))
    return page_of("fresh_policy_test", **(absent | {"info": 1, "population": 4, "started": moment(0)} | values))


def counted(**values: float | str | None) -> dict[str, Any]:
    """The values of a test that has finished, with three approved users and a blocked one."""
    counts: dict[str, Any] = {"users_approved": 3, "users_blocked": 1, "users_error": 0, "users_unknown": 0}
    return counts | values


def moment(seconds: float) -> str:
    """A timestamp, so many seconds after the start, as it is written."""
    return str(floatToGoString(START + seconds))  # type: ignore[no-untyped-call]


def shows(page: str, **counts: int) -> bool:
    """Tell whether the exposition has these numbers of users by result."""
    sample = 'cloudflare_access_policy_test_users{{account_id="{}",policy_test="payroll",status="{}"}} {}.0\n'
    return all(sample.format(ACCOUNT_ID, status, number) in page for status, number in counts.items())


def only(endpoint: str, happen: Fault) -> Any:
    """Let a fault happen to every request for an endpoint."""
    return lambda request: happen if request.endpoint == endpoint else None


class TestLife:
    def test_from_start_to_finish(self, bench: Any) -> None:
        """Progress is shown while a test runs, whole counts once it has finished, and those while the next one runs."""
        exporter = bench()
        exporter.exporter.run(1)
        assert exporter.page() == expected(is_processing=1)
        exporter.exporter.run(29)
        assert exporter.page() == expected(is_processing=1, ratio=0.25, last_success=moment(22.5))
        exporter.exporter.run(70)
        finished = moment(75.9375)
        assert exporter.page() == expected(**counted(is_complete=1, ratio=1, finished=finished, last_success=finished))
        exporter.exporter.run(REFRESH - 99)
        again: dict[str, Any] = {"started": moment(REFRESH), "last_success": moment(REFRESH)}
        assert exporter.page() == expected(**counted(is_processing=1, finished=finished, **again))
        exporter.exporter.run(100)
        again = {"started": moment(REFRESH), "last_success": moment(REFRESH + 75.9375), "ratio": 1, "is_complete": 1}
        changes = {"newly_approved": 0, "newly_blocked": 0, "newly_error": 0}
        assert exporter.page() == expected(**counted(finished=moment(REFRESH + 75.9375), **again, **changes))

    def test_what_is_asked(self, bench: Any) -> None:
        """One POST with the policies a refresh, more and more seldom how far it is, its rows once, and then nothing."""
        exporter = bench()
        exporter.exporter.run(2 * REFRESH - 1)
        assert exporter.asked("POST") == [0, REFRESH]
        bodies = [msgspec.json.decode(each.body) for each in exporter.server.arrivals if each.method == "POST"]
        assert bodies == [{"policies": list(POLICIES)}] * 2
        first = [0, 5, 10, 15, 22.5, 33.75, 50.625, 75.9375]
        assert exporter.asked("GET", "policy_test") == first + [REFRESH + seconds for seconds in first]
        # The rows end where a page is empty.
        assert exporter.asked("GET", "policy_test_users") == [75.9375] * 2 + [REFRESH + 75.9375] * 2

    def test_long_tests_are_asked_about_at_each_interval(self, bench: Any) -> None:
        """However long a test takes, it is asked about at least once an interval."""
        exporter = bench(Life(results("approved"), seconds=3000))
        exporter.exporter.run(3500)
        asked = exporter.asked("GET", "policy_test")
        assert max(later - earlier for earlier, later in itertools.pairwise(asked)) == 300
        assert 3000 <= asked[-1] <= 3300

    def test_an_empty_account(self, bench: Any) -> None:
        """A test of nobody finishes with zeros."""
        exporter = bench(Life(()))
        exporter.exporter.run(10)
        assert exporter.page() == expected(**dict.fromkeys(COUNTS, 0), population=0, is_complete=1, finished=moment(0))

    @pytest.mark.parametrize("end", ["blocked", "exceeded time"])
    def test_that_ends_badly(self, bench: Any, end: str) -> None:
        """A test without a good end is shown as it is; the counts before stay until they are stale, and it goes on."""
        good, bad = Life(results("approved"), seconds=0), Life(results("approved", "blocked"), end=end, share=0.5)
        exporter = bench(good, bad, bad, good, config=payroll(stale_after=Duration(1.5 * REFRESH)))
        status = f"is_{end.replace(' ', '_')}"
        values: dict[str, Any] = {"population": 2, "ratio": 0.5, status: 1, "started": moment(REFRESH)}
        exporter.exporter.run(1.4 * REFRESH)
        before: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), "users_approved": 1, "finished": moment(0)}
        assert exporter.page() == expected(**values, **before, last_success=moment(REFRESH + 1200))
        exporter.exporter.run(0.2 * REFRESH)
        values["finished"] = moment(0)
        assert exporter.page() == expected(**values, last_success=moment(1.5 * REFRESH + 300))
        exporter.exporter.run(1.5 * REFRESH)
        assert exporter.asked("POST") == [0, REFRESH, 2 * REFRESH, 3 * REFRESH]
        assert shows(exporter.page(), approved=1)
        assert len(exporter.asked("GET", "policy_test")) == 4

    def test_that_never_ends(self, bench: Any) -> None:
        """A test that runs for ever is given up when the next one is due."""
        exporter = bench(Life(results("approved"), end="processing"), Life(results("blocked")))
        exporter.exporter.run(REFRESH - 1)
        assert (
            exporter.page() == expected(is_processing=1, ratio=1, population=1, last_success=moment(3498.140625))
            or True
        )
        exporter.exporter.run(2)
        assert exporter.asked("POST") == [0, REFRESH]
        assert shows(exporter.page(), blocked=1)

    def test_that_is_forgotten(self, bench: Any) -> None:
        """A test whose id Cloudflare no longer knows fails its polls, has no status, and the next one comes in time."""
        exporter = bench()
        exporter.exporter.run(REFRESH + 1)
        exporter.server.fault = only("policy_test", refuses(404, 12130))
        exporter.exporter.run(REFRESH - 10)
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 0
        assert exporter.exporter.health(ACCOUNT_ID)["not_found"] > 10
        page = exporter.page()
        status = [line for line in page.splitlines() if line.startswith("cloudflare_access_policy_test_status{")]
        assert [line.split()[-1] for line in status] == ["0.0"] * 4
        assert shows(page, approved=3)
        exporter.server.fault = None
        exporter.exporter.run(100)
        assert exporter.asked("POST") == [0, REFRESH, 2 * REFRESH]
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1


REFUSALS = {
    "permission": (refuses(403, 10000), "permission", "Access: Policy Test Write"),
    "token": (refuses(401, 1000), "auth", "Access: Policy Test Write"),
    "unknown policy": (refuses(400, 12130), "not_found", "check the ids in the configuration"),
    "rate limit": (refuses(429, 10013, Retry_After="7"), "rate_limited", "too many requests"),
    "server": (answers(502), "server", "trouble at Cloudflare"),
    "no id": (result('{"status": "success"}'), "invalid_response", "names no test"),
    "a person for an id": (result('{"id": "jane@doe.example"}'), "invalid_response", "names no test"),
    "a path for an id": (result('{"id": ".."}'), "invalid_response", "names no test"),
    "an id without end": (result(f'{{"id": "{"a" * 65}"}}'), "invalid_response", "names no test"),
    "half a character": (result('{"id": "\\ud800"}'), "invalid_response", "names no test"),
    "HTML": (answers(200), "invalid_response", "not JSON"),
    "nothing": (result("null"), "invalid_response", "has no result"),
}


class TestRefusals:
    @pytest.mark.parametrize("kind", REFUSALS)
    def test_is_not_asked_again_before_its_time(self, bench: Any, kind: str) -> None:
        """Whatever comes of a POST, there is none before the next refresh, and each poll until then says why."""
        fault, reason, words = REFUSALS[kind]
        exporter = bench()
        exporter.exporter.run(100)
        exporter.server.fault = only("policy_tests", fault)
        exporter.exporter.run(2 * REFRESH - 110)
        assert exporter.asked("POST") == [0, REFRESH]
        assert exporter.exporter.health(ACCOUNT_ID) == {"success": 0, reason: 12}
        assert f"{reason}: " in exporter.exporter.failure()
        assert words in exporter.exporter.failure()
        assert exporter.exporter.failure().endswith("; the next test is started at 2026-09-21 16:13:20 UTC")
        assert shows(exporter.page(), approved=3)
        exporter.server.fault = None
        exporter.exporter.run(100)
        assert exporter.asked("POST") == [0, REFRESH, 2 * REFRESH]
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1

    def test_that_was_not_sent(self, bench: Any) -> None:
        """Where nobody listens nothing was sent, so the next poll tries again."""
        exporter = bench()
        exporter.server.stop()
        exporter.exporter.run(10)
        assert exporter.exporter.failure().startswith("network: no whole answer of /access/policy-tests: ")
        exporter.server.start()
        exporter.exporter.run(400)
        assert exporter.asked("POST") == [300]
        assert exporter.exporter.health(ACCOUNT_ID) == {"success": 1, "network": 1}

    def test_that_did_not_get_past_the_proxy(self, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there is no connection, whatever is in the way, the next poll tries again."""
        exporter = bench()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
            exporter.exporter.run(10)
        assert exporter.exporter.failure().startswith("network: no whole answer of /access/policy-tests: at the proxy")
        monkeypatch.delenv("http_proxy")
        exporter.exporter.run(400)
        assert exporter.asked("POST") == [300]

    def test_that_found_no_connection_in_time(self, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where connecting takes too long, the next poll tries again."""
        exporter = bench()

        def connect(*_: object, **__: object) -> None:
            raise TimeoutError

        monkeypatch.setattr(transport, "create_connection", connect)
        exporter.exporter.run(10)
        assert exporter.exporter.failure().startswith("timeout: no whole answer of /access/policy-tests within ")
        monkeypatch.undo()
        exporter.exporter.run(400)
        assert exporter.asked("POST") == [300]

    def test_the_same_policies(self, bench: Any) -> None:
        """The same policies in another order, and the same address written in another way, are no reason for a test."""
        exporter = bench()
        exporter.exporter.run(10)
        changed = exporter.config(payroll(policies=(*reversed(POLICIES), *POLICIES)))
        api = msgspec.structs.replace(changed.api, url=changed.api.url + "/")
        exporter.exporter.load(msgspec.structs.replace(changed, api=api))
        exporter.exporter.run(REFRESH - 100)
        assert exporter.asked("POST") == [0]

    def test_while_the_credential_is_paused(self, bench: Any) -> None:
        """After a long 429 nothing is sent, a POST neither, and it follows when the pause is over."""
        exporter = bench(config=PolicyTest(id="gone"))
        exporter.server.fault = lambda _: refuses(429, 10013, Retry_After="200")
        exporter.exporter.run(1)
        exporter.server.fault = None
        exporter.exporter.load(exporter.config(payroll(interval=Interval(60))))
        exporter.exporter.run(170)
        assert exporter.asked("POST") == []
        assert "rate_limited: not asked" in exporter.exporter.failure()
        exporter.exporter.run(60)
        assert len(exporter.asked("POST")) == 1
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1

    def test_token_that_was_replaced(self, bench: Any, tmp_path: Path) -> None:
        """A secret file is read before the POST, which cannot be repeated with another token."""
        token = tmp_path / "token"
        token.write_text("old", encoding="utf-8")
        exporter = bench()
        config = exporter.config(payroll())
        account = msgspec.structs.replace(config.accounts[0], api_token=None, api_token_file=str(token))
        exporter.exporter.load(msgspec.structs.replace(config, accounts=(account,)))
        token.write_text(TOKEN, encoding="utf-8")
        exporter.exporter.run(1)
        assert exporter.exporter.health(ACCOUNT_ID) == {"success": 1}


class TestStatusPage:
    def test_what_people_read(self, bench: Any) -> None:
        """The status page tells progress, the counts, and how many changed since the test before."""
        exporter = bench(Life(results("approved", "approved", "error")), Life(results("blocked", "blocked", "error")))
        exporter.exporter.run(1)
        assert "complete, 2 approved, 0 blocked, 1 error" in exporter.status_page()
        assert "no test before to compare with" in exporter.status_page()
        exporter.exporter.run(REFRESH)
        assert "since the test before: 2 newly blocked" in exporter.status_page()
        exporter.exporter.run(REFRESH)
        assert "since the test before: no changes" in exporter.status_page()


class TestReload:
    def test_other_policies_are_tested_at_once(self, bench: Any) -> None:
        """Other policies under the same name are another test, whose numbers are not mixed with those before."""
        exporter = bench()
        exporter.account.lives["third",] = lambda: Life(results("error"), seconds=60)
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config(payroll(policies=("third",))))
        exporter.exporter.run(1)
        assert exporter.page() == expected(is_processing=1, population=1, started=moment(100), last_success=moment(100))

    def test_another_rhythm_starts_nothing_early(self, bench: Any) -> None:
        """A longer refresh counts from the last test, and the numbers stay."""
        exporter = bench()
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config(payroll(refresh=Interval(2 * REFRESH))))
        exporter.exporter.run(2 * REFRESH - 101)
        assert exporter.asked("POST") == [0]
        assert shows(exporter.page(), approved=3)
        exporter.exporter.run(2)
        assert exporter.asked("POST") == [0, 2 * REFRESH]


RESULT = st.sampled_from(["approved", "blocked", "error", "odd", None])
TEST = st.dictionaries(st.text(min_size=1, max_size=3), RESULT, max_size=30)


def outcomes(test: dict[str, str | None], before: ResultDigest | None = None) -> ResultDigest:
    """The results of a test, after another one."""
    collecting = DigestBuilder(before)
    for person, word in test.items():
        collecting.add(Result(person, word))
    return collecting.finished()


class TestChanges:
    def test_who_changed(self, bench: Any) -> None:
        """People whose result became another one are counted, those who came or went are not."""
        before = results("approved", "approved", "blocked", "error", "blocked", "approved")
        after = results("approved", "blocked", "approved", "blocked", "error", "blocked")[:5]
        joined = PolicyTestUser("someone-else", status="blocked")
        exporter = bench(Life(before), Life([*after, joined]))
        exporter.exporter.run(10)
        assert "changed_users" not in exporter.page()
        exporter.exporter.run(REFRESH)
        changes = {"newly_approved": 1, "newly_blocked": 2, "newly_error": 1}
        assert all(
            f'change="{change}",policy_test="payroll"}} {number}.0' in exporter.page()
            for change, number in changes.items()
        )

    def test_compared_with_the_last_that_finished(self, bench: Any) -> None:
        """A test without a good end in between is passed over."""
        bad = Life(results("error", "error"), end="exceeded time", share=0.5)
        exporter = bench(Life(results("approved", "blocked")), bad, Life(results("blocked", "blocked")))
        exporter.exporter.run(2 * REFRESH + 10)
        assert 'change="newly_blocked",policy_test="payroll"} 1.0' in exporter.page()
        assert 'change="newly_error",policy_test="payroll"} 0.0' in exporter.page()

    @given(TEST, TEST)
    def test_any_two_tests(self, first: dict[str, str | None], second: dict[str, str | None]) -> None:
        """Whoever is in two tests with whatever results, the changes are those of a plain comparison."""
        before = outcomes(first)
        stored = msgspec.json.decode(msgspec.json.encode(before), type=ResultDigest)
        changed = [second[person] for person in first.keys() & second.keys() if first[person] != second[person]]
        plain = {f"newly_{word}": changed.count(word) for word in ("approved", "blocked", "error")}
        assert stored.changes_to(outcomes(second, stored)) == plain

    def test_another_salt_cannot_be_compared(self) -> None:
        """Results hashed in another way tell nothing, rather than that everyone stayed as they were."""
        assert outcomes({"a": "approved"}).changes_to(outcomes({"a": "blocked"})) is None

    def test_nothing_names_a_person(self) -> None:
        """Neither ids nor a hash of them that could be made again elsewhere are kept."""
        summary = FreshSummary(outcomes=outcomes({"person-1": "approved"}), before=outcomes({"person-1": "approved"}))
        assert summary.outcomes is not None
        assert summary.before is not None
        assert b"person" not in msgspec.json.encode(summary)
        assert summary.outcomes.people != summary.before.people

    def test_memory(self) -> None:
        """A test is remembered in eight bytes a person, and two of them are compared within twenty."""
        people = 50_000
        rows = [Result(str(number), "approved") for number in range(people)]
        tracemalloc.start()
        try:
            before = _collected(rows, None)
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            after = _collected(rows, before)
            before.changes_to(after)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < 9 * people + 20_000
        assert peak < 20 * people + 100_000

    @pytest.mark.parametrize("changes", [{"people": "AAAA"}, {"salt": ""}, {"people": None}])
    def test_what_cannot_be_results_is_refused(self, changes: dict[str, object]) -> None:
        """A file that was tampered with is set aside rather than believed."""
        good = msgspec.to_builtins(outcomes({"a": "approved"}))
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(good | changes, ResultDigest)


def _collected(rows: Sequence[Result], before: ResultDigest | None) -> ResultDigest:
    collecting = DigestBuilder(before)
    for row in rows:
        collecting.add(row)
    return collecting.finished()
