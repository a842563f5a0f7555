"""Answers of a policy test and its users page in, the whole exposition of the test out. A poll takes no time."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from access_exporter.config.model import PolicyTest
from tests.collectors.cloudflare import EMPTY, Body, Cloudflare, Row, answer, honest_pages, pages
from tests.exporter import DATA, Exporter, page_of

ID = "f1a8b3c9d4e5f6789a0b1c2d3e4f5678a9b0c1d2e3f4a5b67890c1d2e3f4b5a6"
TEST = f"policy-tests/{ID}"
USERS = f"policy-tests/{ID}/users"
NOW = "1.79e+09"
EXAMPLE = (DATA / "get-policy-test-users.json").read_text()

ABSENT = dict.fromkeys(
    (
        "users_approved",
        "users_blocked",
        "users_error",
        "users_unknown",
        "population",
        "is_blocked",
        "is_processing",
        "is_exceeded_time",
        "is_complete",
        "ratio",
        "finished",
    )
)
COUNTS = ("users_approved", "users_blocked", "users_error", "users_unknown")


def exporter(name: str | None = "wiki") -> Exporter:
    """An exporter that follows one policy test and nothing else."""
    return Exporter(users=False, policy_tests=[PolicyTest(id=ID, name=name)])


def progress(status: str = "complete", total: float = 4, percent: float = 100, **more: object) -> str:
    """The answer about a test as a whole; its own counts are wrong, since only the rows count."""
    return answer(
        {
            "id": ID,
            "status": status,
            "total_users": total,
            "percent_users_processed": percent,
            "users_approved": 77,
            "users_blocked": 88,
            "users_errored": 99,
            "percent_approved": 7,
            "percent_blocked": 8,
            "percent_errored": 9,
            **more,
        }
    )


def results(*statuses: str | None) -> list[Row]:
    """Rows with these results, each of another user; those of None lack it."""
    return [
        {"id": str(number), "email": "jdoe@example.com", "name": "Jane Doe"}
        | ({} if status is None else {"status": status})
        for number, status in enumerate(statuses)
    ]


def expected(**values: float | str | None) -> str:
    """The exposition with these values, of a test that is complete unless they say otherwise."""
    complete: dict[str, float | str | None] = {"population": 4, "is_complete": 1, "ratio": 1, "finished": NOW}
    return page_of("policy_test", **(complete | values))


def running(**values: float | str | None) -> str:
    """The exposition of a test that has never been seen finished."""
    return expected(**({"is_complete": 0, "finished": None} | dict.fromkeys(COUNTS) | values))


def health(**values: float | str | None) -> str:
    """The exposition of a target that has no numbers to show."""
    page = expected(**values)
    return page[page.index("# HELP cloudflare_access_poll_success") :]


class TestFinished:
    @pytest.mark.parametrize("beyond", [EMPTY, EXAMPLE], ids=["an end", "the same for every page"])
    def test_documented_example(self, cloudflare: Cloudflare, beyond: str) -> None:
        """The example of the API page is one approved user, even from a server that gives it for every page."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, EXAMPLE, beyond=beyond)
        assert exporter().polled() == expected(users_approved=1, population=1)

    def test_every_result(self, cloudflare: Cloudflare) -> None:
        """Users are counted by result, those with a result nobody knows apart, and the test's own counts ignored."""
        cloudflare.says(TEST, progress(total=12))
        words = ["approved"] * 4 + ["blocked"] * 3 + ["error"] * 2 + ["success", "Approved", 'a\n"b"', None, ""]
        cloudflare.lists(USERS, answer([*results(*words), {"id": "x", "status": None}]))
        assert exporter().polled() == expected(
            users_approved=4, users_blocked=3, users_error=2, users_unknown=6, population=12
        )

    @pytest.mark.parametrize("size", [1, 7, 25, 1000, 2500])
    @pytest.mark.parametrize("honest", [True, False])
    def test_pages(self, cloudflare: Cloudflare, size: int, honest: bool) -> None:
        """All pages are counted, however few rows the server gives at once and whatever it says about that."""
        rows = results(*["approved", "blocked"] * 30)
        cloudflare.says(TEST, progress(total=60))
        cloudflare.lists(USERS, *(honest_pages(rows, size) if honest else pages(rows, size)))
        assert exporter().polled() == expected(users_approved=30, users_blocked=30, population=60)

    def test_what_is_asked(self, cloudflare: Cloudflare) -> None:
        """A thousand rows a page are asked for, of all users: the filter has other words than the rows."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer(results("approved")))
        exporter().poll()
        assert cloudflare.asked == [
            (TEST, {}),
            (USERS, {"page": "1", "per_page": "1000"}),
            (USERS, {"page": "2", "per_page": "1000"}),
            (USERS, {"page": "3", "per_page": "1000"}),  # since the test has more users than those
        ]

    def test_repeated_rows(self, cloudflare: Cloudflare) -> None:
        """Each user is counted once, with the result that was listed first."""
        rows = results("approved", "blocked", "error", "approved")
        changed = rows[1] | {"status": "approved"}
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer(rows[:3]), answer([*rows[2:], changed]), answer([rows[3]]))
        assert exporter().polled() == expected(users_approved=2, users_blocked=1, users_error=1)

    def test_rows_without_id(self, cloudflare: Cloudflare) -> None:
        """Users without an id are counted one by one, since nothing tells them apart."""
        empty: Sequence[dict[str, Any]] = [{}, {"id": None}, {"id": ""}]
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer([row | {"status": "approved"} for row in empty]), answer([{}]))
        assert exporter().polled() == expected(users_approved=3, users_unknown=1)

    def test_counted_once(self, cloudflare: Cloudflare) -> None:
        """A finished test never changes: its rows are asked for once, and when it finished stays."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved", "blocked", "blocked", "error")))
        following = exporter()
        first = following.polled()
        following.clock.now += 300
        assert first == expected(users_approved=1, users_blocked=2, users_error=1)
        assert following.polled() == expected(
            users_approved=1, users_blocked=2, users_error=1, last_success="1.7900003e+09"
        )
        assert [path for path, _ in cloudflare.asked] == [TEST, USERS, TEST]

    @pytest.mark.parametrize("total", [0, None])
    def test_nobody(self, cloudflare: Cloudflare, total: int | None) -> None:
        """A finished test that covers nobody, as far as is known, has zeros."""
        cloudflare.says(TEST, answer({"status": "complete", "total_users": total}))
        cloudflare.lists(USERS)
        assert exporter().polled() == expected(population=total, ratio=None)

    def test_rows_that_are_not_there(self, cloudflare: Cloudflare) -> None:
        """A finished test of many users that lists none of them is an error, and is counted when it does."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS)
        following = exporter()
        assert following.polled() == health(success=0, last_success=None, errors_invalid_response=1)
        assert following.failure() == "invalid_response: the finished test of 4 users has no rows"
        cloudflare.lists(USERS, *honest_pages(results("blocked", "blocked", "blocked", "blocked")))
        assert following.polled() == expected(users_blocked=4, errors_invalid_response=1)

    def test_rows_that_come_late(self, cloudflare: Cloudflare) -> None:
        """A finished test that lists fewer users than it covers is counted again until it lists them all."""
        following = exporter()
        cloudflare.says(TEST, progress())
        for listed in (1, 3):
            cloudflare.lists(USERS, *honest_pages(results(*["approved"] * listed)))
            assert following.polled() == expected(users_approved=listed)
        cloudflare.lists(USERS, *honest_pages(results(*["approved"] * 4)))
        following.clock.now += 300
        assert following.polled() == expected(users_approved=4, last_success="1.7900003e+09")
        cloudflare.asked.clear()
        following.poll()
        assert [path for path, _ in cloudflare.asked] == [TEST]


class TestRunning:
    @pytest.mark.parametrize("status", ["blocked", "processing", "exceeded time"])
    def test_not_finished(self, cloudflare: Cloudflare, status: str) -> None:
        """A test that is not complete shows how far it is, without asking for rows or showing counts."""
        cloudflare.says(TEST, progress(status, total=1200, percent=57))
        present = {f"is_{status.replace(' ', '_')}": 1}
        assert exporter().polled() == running(**present, population=1200, ratio=0.57)
        assert len(cloudflare.asked) == 1

    def test_progress(self, cloudflare: Cloudflare) -> None:
        """A test is followed from its start to its end, and counted at the end."""
        following = exporter()
        cloudflare.says(TEST, progress("processing", percent=0))
        assert following.polled() == running(is_processing=1, ratio=0)
        cloudflare.says(TEST, progress("processing", percent=99.5))
        assert following.polled() == running(is_processing=1, ratio=0.995)
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved", "approved", "blocked", "error")))
        following.clock.now += 90
        assert following.polled() == expected(
            users_approved=2, users_blocked=1, users_error=1, finished="1.79000009e+09", last_success="1.79000009e+09"
        )

    def test_running_again(self, cloudflare: Cloudflare) -> None:
        """While a test runs, the counts of the last finished one stay."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved", "approved", "blocked", "error")))
        following = exporter()
        following.poll()
        cloudflare.says(TEST, progress("processing", total=5, percent=20))
        assert following.polled() == expected(
            users_approved=2,
            users_blocked=1,
            users_error=1,
            population=5,
            is_complete=0,
            is_processing=1,
            ratio=0.2,
        )

    def test_failure(self, cloudflare: Cloudflare) -> None:
        """A poll that fails takes no numbers away."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        following = exporter()
        following.poll()
        cloudflare.says(TEST, "{}", status=404)
        assert following.polled() == expected(users_approved=1, success=0, errors_not_found=1)


class TestFields:
    @pytest.mark.parametrize("status", ["done", "Complete", "exceeded_time", "blocked\n"])
    def test_unknown_status(self, cloudflare: Cloudflare, status: str) -> None:
        """A status that is not documented is none of those that are, and not the end."""
        cloudflare.says(TEST, progress(status))
        assert exporter().polled() == running()
        assert len(cloudflare.asked) == 1

    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    def test_all_missing(self, cloudflare: Cloudflare, empty: object) -> None:
        """An answer that says nothing of a test is none."""
        fields = json.loads(progress())["result"]
        cloudflare.says(TEST, answer({} if empty == {} else dict.fromkeys(fields, empty)))
        tested = exporter()
        tested.poll()
        assert tested.failure().endswith("says nothing of a policy test")

    @pytest.mark.parametrize(("other", "fails"), [(ID.upper(), False), (ID[:-1] + "7", True), ("planted", True)])
    def test_another_test(self, cloudflare: Cloudflare, other: str, fails: bool) -> None:
        """The answer about another test is none; an id is the same in capitals."""
        cloudflare.says(TEST, progress("processing", id=other))
        tested = exporter()
        tested.poll()
        assert tested.failure().endswith("is about another policy test") is fails

    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("status", dict.fromkeys(name for name in ABSENT if name not in ("population", "ratio"))),
            ("total_users", {"population": None, "users_approved": 1}),
            ("percent_users_processed", {"ratio": None, "users_approved": 1}),
            ("id", {"users_approved": 1}),
            ("users_approved", {"users_approved": 1}),
        ],
    )
    def test_missing(self, cloudflare: Cloudflare, field: str, values: dict[str, float | None], empty: object) -> None:
        """A field that is absent, null or "" takes nothing with it but what it says."""
        fields = json.loads(progress())["result"]
        del fields[field]
        cloudflare.says(TEST, answer(fields if empty == {} else fields | {field: empty}))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        assert exporter().polled() == expected(**values)

    @pytest.mark.parametrize(
        "body",
        [
            answer([]),
            answer([{"status": "complete"}]),
            answer("complete"),
            answer({"status": 5}),
            answer({"total_users": "4"}),
            answer({"total_users": -1}),
            answer({"total_users": 10**12}),
            answer({"total_users": float("nan")}),
            answer({"percent_users_processed": 101}),
            answer({"percent_users_processed": "57%"}),
        ],
    )
    def test_wrong_type(self, cloudflare: Cloudflare, body: Body) -> None:
        """An answer that is not as documented fails the poll."""
        cloudflare.says(TEST, body)
        assert exporter().polled() == health(success=0, last_success=None, errors_invalid_response=1)

    @pytest.mark.parametrize("row", ["null", "[]", '{"id": 5}', '{"status": true}', '{"status": ["approved"]}'])
    def test_wrong_row(self, cloudflare: Cloudflare, row: str) -> None:
        """A row that is not as documented fails the poll: no number is better than a wrong one."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, '{"result": [{"id": "1", "status": "approved"}, ROW]}'.replace("ROW", row))
        assert exporter().polled() == health(success=0, last_success=None, errors_invalid_response=1)

    @pytest.mark.parametrize("name", [rb"\ud83d", b"raw \x01 \n", b"\xff", rb"\"} 1.0\n", "\N{ROCKET}".encode()])
    def test_odd_name(self, cloudflare: Cloudflare, name: bytes) -> None:
        """Whatever a user is called, it is one user and nothing of it is shown."""
        cloudflare.says(TEST, progress())
        row = b'{"id": "NAME", "email": "NAME", "name": "NAME", "status": "approved", "new": "NAME"}'
        cloudflare.lists(USERS, (b'{"result": [%s, %s]}' % (row, row)).replace(b"NAME", name))
        assert exporter().polled() == expected(users_approved=1)

    def test_label(self, cloudflare: Cloudflare) -> None:
        """A test without a name is labelled with its id."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        page = expected(users_approved=1).replace('"wiki"', f'"{ID}"')
        assert exporter(name=None).polled() == page

    def test_odd_label(self, cloudflare: Cloudflare) -> None:
        """A name with quotes, backslashes and newlines is written as the format asks."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        page = expected(users_approved=1).replace('"wiki"', r'"the \"wiki\" \\ of\n🚀"')
        assert exporter(name='the "wiki" \\ of\n\N{ROCKET}').polled() == page
