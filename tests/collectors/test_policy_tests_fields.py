"""Valid, missing and invalid fields of a policy test and its users, and the exposition for them."""

import json
from typing import Any

import pytest

from access_exporter.config.model import PolicyTest
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
from tests.exporter import Exporter

UUID = "f1a8b3c9-d4e5-f678-9a0b-1c2d3e4f5678"


class TestFields:
    @pytest.mark.parametrize("status", ["done", "Complete", "exceeded_time", "blocked\n"])
    def test_unknown_status(self, cloudflare: Cloudflare, status: str) -> None:
        """A test with an undocumented status is not complete, and no documented status is 1."""
        cloudflare.says(TEST, progress(status))
        assert exporter().polled() == running()
        assert len(cloudflare.asked) == 1

    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    def test_all_missing(self, cloudflare: Cloudflare, empty: object) -> None:
        """A response without any field of a test is an error."""
        fields = json.loads(progress())["result"]
        cloudflare.says(TEST, answer({} if empty == {} else dict.fromkeys(fields, empty)))
        tested = exporter()
        tested.poll()
        assert tested.failure().endswith("it has no policy test")

    @pytest.mark.parametrize(("other", "fails"), [(ID.upper(), False), (ID[:-1] + "7", True), ("planted", True)])
    def test_another_test(self, cloudflare: Cloudflare, other: str, fails: bool) -> None:
        """A response about another test is an error; ids are compared without regard to case."""
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
        """A field that is missing, null or "" affects only its own numbers."""
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
        """A response of a wrong type fails the poll."""
        cloudflare.says(TEST, body)
        assert exporter().polled() == health(success=0, last_success=None, errors_invalid_response=1)

    @pytest.mark.parametrize("row", ['{"status": true}', '{"status": ["approved"]}', '{"status": 1e999}'])
    def test_wrong_status(self, cloudflare: Cloudflare, row: str) -> None:
        """A result of a wrong type counts as unknown, and the other results are counted."""
        cloudflare.says(TEST, progress(total=2))
        cloudflare.lists(USERS, '{"result": [{"id": "1", "status": "approved"}, ROW]}'.replace("ROW", row))
        assert exporter().polled() == expected(users_approved=1, users_unknown=1, population=2)

    @pytest.mark.parametrize("percent", ["100.00000000000001", "101", "-1", '"1"', "NaN", "1e999", "true", "{}"])
    def test_invalid_percentage(self, cloudflare: Cloudflare, percent: str) -> None:
        """An invalid percentage removes only the progress ratio."""
        cloudflare.says(TEST, progress(total=1, percent=77).replace("77,", f"{percent},", 1))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        assert exporter().polled() == expected(users_approved=1, population=1, ratio=None)

    @pytest.mark.parametrize("total", ["-1", "1.5", '"1"', "1e10", "NaN", "true", "[1]", "9" * 400])
    def test_invalid_total(self, cloudflare: Cloudflare, total: str) -> None:
        """An invalid total_users removes only that number."""
        fields = progress(total=987, users_approved=1, users_blocked=0, users_errored=0)
        cloudflare.says(TEST, fields.replace("987", total))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        assert exporter().polled() == expected(users_approved=1, population=None)

    @pytest.mark.parametrize("value", ["-1", '"1"', "null", "{}", "0.5"])
    @pytest.mark.parametrize("name", ["users_approved", "users_blocked", "users_errored", "percent_approved", "new"])
    def test_unused_numbers(self, cloudflare: Cloudflare, name: str, value: str) -> None:
        """Numbers that the exporter does not use can have any value."""
        named: dict[str, Any] = {name: "planted"}
        cloudflare.says(TEST, progress(total=1, percent=100, **named).replace('"planted"', value))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        assert exporter().polled() == expected(users_approved=1, population=1)

    @pytest.mark.parametrize("status", ["5", "true", '["complete"]', "{}"])
    def test_invalid_status(self, cloudflare: Cloudflare, status: str) -> None:
        """With a status of a wrong type, the test has no status and is not complete."""
        cloudflare.says(TEST, progress("planted", percent=50).replace('"planted"', status))
        absent = {name: None for name in ABSENT if name.startswith("is_")}
        assert exporter().polled() == running(**(absent | {"ratio": 0.5}))

    @pytest.mark.parametrize("asked", [UUID, UUID.upper(), UUID.replace("-", ""), UUID.replace("-", "").upper()])
    @pytest.mark.parametrize("answered", [UUID, UUID.upper(), UUID.replace("-", ""), UUID.replace("-", "").upper()])
    def test_dashes(self, cloudflare: Cloudflare, asked: str, answered: str) -> None:
        """Two ids are equal with or without dashes, and in upper or lower case."""
        test = f"policy-tests/{asked}"
        cloudflare.says(test, progress(id=answered))
        cloudflare.lists(f"{test}/users", *honest_pages(results(*["error"] * 4)))
        tested = Exporter(users=False, policy_tests=[PolicyTest(id=asked, name="wiki")])
        assert tested.polled() == expected(users_error=4).replace(ID, asked)

    @pytest.mark.parametrize("other", [5, True, None, [], {}])
    def test_invalid_id(self, cloudflare: Cloudflare, other: object) -> None:
        """An id of a wrong type is ignored."""
        cloudflare.says(TEST, progress("processing", percent=50, id=other))
        assert exporter().polled() == running(is_processing=1, ratio=0.5)

    @pytest.mark.parametrize("row", ["null", "[]", '{"id": 5}', '{"id": 5, "status": true}'])
    def test_invalid_row(self, cloudflare: Cloudflare, row: str) -> None:
        """An invalid row fails the poll, so that no wrong number is shown."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, '{"result": [{"id": "1", "status": "approved"}, ROW]}'.replace("ROW", row))
        assert exporter().polled() == health(success=0, last_success=None, errors_invalid_response=1)

    @pytest.mark.parametrize("name", [rb"\ud83d", b"raw \x01 \n", b"\xff", rb"\"} 1.0\n", "\N{ROCKET}".encode()])
    def test_unusual_name(self, cloudflare: Cloudflare, name: bytes) -> None:
        """A user with any name counts as one user, and the name is not shown."""
        cloudflare.says(TEST, progress(total=1))
        row = b'{"id": "NAME", "email": "NAME", "name": "NAME", "status": "approved", "new": "NAME"}'
        cloudflare.lists(USERS, (b'{"result": [%s, %s]}' % (row, row)).replace(b"NAME", name))
        assert exporter().polled() == expected(users_approved=1, population=1)

    def test_label(self, cloudflare: Cloudflare) -> None:
        """The label of a test without a name is its id."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        page = expected(users_approved=1, population=1).replace('"wiki"', f'"{ID}"')
        assert exporter(name=None).polled() == page

    def test_special_characters_in_a_label(self, cloudflare: Cloudflare) -> None:
        """Quotes, backslashes and newlines in a label are escaped."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        page = expected(users_approved=1, population=1).replace('"wiki"', r'"the \"wiki\" \\ of\n🚀"')
        assert exporter(name='the "wiki" \\ of\n\N{ROCKET}').polled() == page
