"""Fields of a policy test and its users of every kind in, the whole exposition of the test out."""

import json
from typing import Any

import pytest

from tests.collectors.cloudflare import Body, Cloudflare, answer, honest_pages
from tests.collectors.following import (
    ABSENT,
    ID,
    TEST,
    USERS,
    expected,
    exporter,
    health,
    progress,
    results,
    running,
)


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
            (
                "status",
                dict.fromkeys(name for name in ABSENT if name not in ("population", "ratio")) | {"population": 1},
            ),
            ("total_users", {"population": None, "users_approved": 1}),
            ("percent_users_processed", {"population": 1, "ratio": None, "users_approved": 1}),
            ("id", {"population": 1, "users_approved": 1}),
            ("users_approved", {"population": 1, "users_approved": 1}),
        ],
    )
    def test_missing(self, cloudflare: Cloudflare, field: str, values: dict[str, float | None], empty: object) -> None:
        """A field that is absent, null or "" takes nothing with it but what it says."""
        counts: dict[str, Any] = {"users_approved": 1, "users_blocked": 0, "users_errored": 0}
        fields = json.loads(progress(total=1, **(counts if field == "total_users" else {})))["result"]
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
        cloudflare.says(TEST, progress(total=1))
        row = b'{"id": "NAME", "email": "NAME", "name": "NAME", "status": "approved", "new": "NAME"}'
        cloudflare.lists(USERS, (b'{"result": [%s, %s]}' % (row, row)).replace(b"NAME", name))
        assert exporter().polled() == expected(users_approved=1, population=1)

    def test_label(self, cloudflare: Cloudflare) -> None:
        """A test without a name is labelled with its id."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        page = expected(users_approved=1, population=1).replace('"wiki"', f'"{ID}"')
        assert exporter(name=None).polled() == page

    def test_odd_label(self, cloudflare: Cloudflare) -> None:
        """A name with quotes, backslashes and newlines is written as the format asks."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        page = expected(users_approved=1, population=1).replace('"wiki"', r'"the \"wiki\" \\ of\n🚀"')
        assert exporter(name='the "wiki" \\ of\n\N{ROCKET}').polled() == page
