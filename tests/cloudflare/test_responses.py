"""Fuzz tests: any response of Cloudflare gives either a valid summary or one PollError."""

import contextlib
import gc
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import prometheus_client
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from prometheus_client import Metric

from access_exporter import exposition
from access_exporter.cloudflare.client import Client
from access_exporter.cloudflare.credentials import Credential
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.cloudflare.rate_limit import RateLimiters
from access_exporter.cloudflare.sending import Answer
from access_exporter.collectors import devices, followed_policy_test, policy_test_progress, policy_tests, users
from access_exporter.collectors.protocol import Poll
from access_exporter.collectors.users_summary import User
from access_exporter.config.model import Account, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.errors import REASONS, PollError
from access_exporter.exposition.text import Format
from tests.collectors.cloudflare import EMPTY
from tests.exporter import API
from tests.fakes import START, FakeClock
from tests.processes import ROOT

PLANTED = "qzx7"  # part of every text in a response: no error message may contain it
TEST = PolicyTest(id="f1a8" * 16, name="wiki")
ACCOUNT = Account(id="a", api_token=Secret("the test", "token"), policy_tests=(TEST,))


class Answering(Client):
    """A client that returns the prepared responses one after the other, and then empty pages."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        in_order = msgspec.structs.replace(API, concurrency=0)  # fetches no page ahead in another thread
        limiters = RateLimiters(self.clock)
        limiters.configure(API, [])
        metrics = RequestMetrics(prometheus_client.CollectorRegistry())
        super().__init__(in_order, Credential("a", None, ACCOUNT.secret), limiters, metrics, self.clock)
        self.answers: list[tuple[int, Mapping[str, str], bytes]] = []

    def _send(self, *_: object) -> Answer:
        self.clock.now += 1000  # longer than any pause
        self.clock.slept.clear()
        return Answer(*self.answers.pop(0)) if self.answers else Answer(200, {}, EMPTY.encode())


CLIENT = Answering()
USERS = users.UsersCollector(ACCOUNT, CLIENT)
POLICY_TEST = policy_tests.PolicyTestCollector(ACCOUNT, TEST, CLIENT)
DEVICES = devices.DevicesCollector(ACCOUNT, CLIENT)

texts = st.text(max_size=5).map(PLANTED.__add__)
numbers = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([0, 1, 2, 3, 100, -1, 1e308, 10**400])
)
dates = st.datetimes().map(str) | st.sampled_from(
    ["2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
words = st.sampled_from(["", "1", "2", *policy_test_progress.STATUSES, *followed_policy_test.RESULTS])
leaves = numbers | texts | dates | words
fields = st.sampled_from(
    [
        *User.__struct_fields__,
        *policy_test_progress.Progress.__struct_fields__,
        *followed_policy_test.Result.__struct_fields__,
    ]
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields | texts, inner, max_size=3),
    max_leaves=4,
)
counts = st.none() | st.floats(0, 100) | st.integers(0, 1000)
seats = st.none() | st.booleans()
users_as_documented = st.fixed_dictionaries(
    {},
    optional={
        "id": words | texts,
        "access_seat": seats,
        "gateway_seat": seats,
        "active_device_count": counts | st.floats(),
        "created_at": st.none() | dates,
        "last_successful_login": st.none() | dates,
    },
)
tests_as_documented = st.fixed_dictionaries(
    {"status": words}, optional={"id": words, "total_users": counts, "percent_users_processed": counts}
)
devices_as_documented = st.fixed_dictionaries(
    {},
    optional={
        "id": words | texts,
        "last_seen_at": st.none() | dates,
        "revoked_at": st.none() | dates,
        "registration_type": st.sampled_from(["warp", "browser_extension"]) | texts,
        "device": st.none() | st.dictionaries(st.just("client_version"), words | texts),
        "user": st.none() | st.dictionaries(st.sampled_from(["id", "email"]), words | texts),
    },
)
rows = (
    devices_as_documented
    | users_as_documented
    | tests_as_documented
    | st.dictionaries(fields, leaves, max_size=5)
    | anything
)
pages = st.sampled_from(["page", "per_page", "count", "total_count", "total_pages", "cursor"])
envelopes = st.fixed_dictionaries(
    {"result": st.lists(users_as_documented, max_size=4) | st.lists(rows, max_size=3) | rows},
    optional={"result_info": st.dictionaries(pages, counts | leaves, max_size=5) | anything},
)
unusual_envelopes = st.fixed_dictionaries(
    {"result": anything},
    optional={
        "success": st.booleans() | anything,
        "errors": st.lists(st.dictionaries(st.just("code") | texts, leaves, max_size=2), max_size=3) | anything,
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a response: an envelope or any JSON, sometimes with some bytes in its middle replaced."""
    content = draw(envelopes | envelopes | unusual_envelopes | anything)
    body = json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 7)):
        return body
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
    return body[:start] + draw(st.binary(max_size=3)) + body[end:]


headers = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(["", "0", "7", "1e3", "-1", '"d";r=1;t=5']) | texts
        for name in ("Retry-After", "Ratelimit")
    },
)
refusals = st.tuples(
    st.sampled_from([204, 301, 400, 401, 403, 404, 429, 500, 503, 520]), headers, bodies() | st.binary()
)
good = st.tuples(st.just(200), headers, bodies())
answers = st.lists(good | good | refusals, min_size=1, max_size=3)


@pytest.mark.parametrize(
    "answer",
    [
        '{"result": [{"id": "%d"}]}',
        '{"result": [{"id": "%d", "created_at": ""}]}',
        '{"result": [{"id": "%d", "name": "a\x01b", "created_at": 5}]}',
    ],
)
def test_first_responses_in_many_threads(answer: str) -> None:
    """If many threads decode their first responses at the same moment, each gets its own result."""
    code = """
import sys, threading
from access_exporter.cloudflare import responses as answers
from access_exporter.collectors import devices, users, users_summary
sys.setswitchinterval(1e-6)
start, found = threading.Barrier(140), []
def decode(number):
    start.wait()
    answer = answers.decode(users.ENDPOINT, sys.argv[1].encode() % number, list[users_summary.User])
    found.extend(row.id for row in answer.result)
threads = [threading.Thread(target=decode, args=(number,)) for number in range(140)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sorted(map(int, found)) == list(range(140))
"""
    for _ in range(5):
        subprocess.run([sys.executable, "-c", code, answer], cwd=ROOT, check=True, timeout=60)


@pytest.mark.fuzz
@given(answers)
def test_users(given_answers: list[tuple[int, dict[str, str], bytes]]) -> None:
    """Any pages of users give a summary or one error."""
    CLIENT.answers = list(given_answers)
    try:
        summary = USERS.fetch(Poll(None, START, lambda _: True))
    except PollError as error:
        assert_safe_error(error)
    else:
        assert sum(summary.users.values()) >= summary.seats_used
        assert_safe_summary(summary, USERS.families(summary))


@pytest.mark.fuzz
@given(answers)
def test_devices(given_answers: list[tuple[int, dict[str, str], bytes]]) -> None:
    """Any pages of devices give a summary or one error, and no personal data is stored."""
    CLIENT.answers = list(given_answers)
    try:
        summary = DEVICES.fetch(Poll(None, START, lambda _: True))
    except PollError as error:
        assert_safe_error(error)
    else:
        assert sum(summary.types.values()) <= summary.rows
        assert_safe_summary(DEVICES.to_store(summary), DEVICES.families(summary))


@pytest.mark.fuzz
@given(answers)
def test_policy_test(given_answers: list[tuple[int, dict[str, str], bytes]]) -> None:
    """Any responses about a policy test and its users give a summary or one error."""
    CLIENT.answers = list(given_answers)
    try:
        summary = POLICY_TEST.fetch(Poll(None, START, lambda _: True))
    except PollError as error:
        assert_safe_error(error)
    else:
        assert_safe_summary(summary, POLICY_TEST.families(summary))


def assert_safe_error(error: PollError) -> None:
    """Check that an error has a known reason and that its message contains nothing of the response."""
    event(error.reason)
    assert error.reason in REASONS
    assert str(error).isprintable()
    assert PLANTED not in str(error)


def assert_safe_summary(summary: Any, families: Iterable[Metric]) -> None:
    """Check that a summary has valid numbers, shows no part of the response, and can be stored."""
    event("a summary")
    written = list(families)
    assert all(0 <= sample.value < float("inf") for family in written for sample in family.samples)
    for form in Format:
        assert PLANTED not in repr(exposition.encode(written, form))
    assert msgspec.json.decode(msgspec.json.encode(summary), type=type(summary)) == summary


DEEP = 5000
LISTS = "[" * DEEP + "]" * DEEP
OBJECTS = '{"x": ' * DEEP + "1" + "}" * DEEP


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("deep", [LISTS, OBJECTS, "[" * DEEP, '[{"x":' * DEEP], ids=ascii)
@pytest.mark.parametrize("place", ["{}", '{{"result": {}}}', '{{"errors": {}}}', '{{"result": [], "result_info": {}}}'])
def test_nesting(place: str, deep: str, status: int) -> None:
    """A deeply nested response never exhausts the stack, not even during a garbage collection."""
    unraisable: list[object] = []

    def collected(phase: str, _: object) -> None:
        assert phase.isalpha()  # uses some of the stack

    CLIENT.answers = [(status, {}, place.format(deep).encode())]
    threshold, hook = gc.get_threshold(), sys.unraisablehook
    try:
        gc.callbacks.append(collected)
        sys.unraisablehook = unraisable.append
        gc.set_threshold(1)
        with contextlib.suppress(PollError):
            USERS.fetch(Poll(None, START, lambda _: True))
    finally:
        gc.set_threshold(*threshold)
        sys.unraisablehook = hook
        gc.callbacks.remove(collected)
    assert not unraisable
