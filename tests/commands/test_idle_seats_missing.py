"""`--idle-seats` with incomplete lists or impossible values. The time is always 2026-09-21T14:13:20Z."""

import json
from typing import Any

import pytest

from access_exporter.simulator import Handler, Response, Simulator
from tests.commands.idle import listed, person
from tests.processes import Run


def claim(cloudflare: Simulator, total: int) -> None:
    """List 25 users in the first account, and announce this total."""
    cloudflare.accounts["first"].users = [person(number) for number in range(25)]
    info = {"per_page": 10, "total_count": total, "total_pages": -(-total // 10)}

    def send(handler: Handler) -> None:
        body = json.loads(handler.response().body)
        handler.send(Response(200, json.dumps(body | {"result_info": info}).encode(), {}))

    cloudflare.fault = lambda request: send if request.account_id == "first" else None


@pytest.mark.parametrize("total", [26, 2345])
def test_missing_users(run: Run, cloudflare: Simulator, total: int) -> None:
    """If an account announces more users than it lists, the exit code is 1, and the listed users are shown."""
    claim(cloudflare, total)
    code, out, err = run("--idle-seats=90d", "--format=json")
    assert (code, len(json.loads(out))) == (1, 25)
    assert 'level=error msg="idle seats may be missing: Cloudflare lists fewer users than it announces"' in err
    assert f"account_id=first listed=25 announced={total} missing={total - 25}" in err


@pytest.mark.parametrize("total", [1, 20, 24])
def test_more_users_than_announced(run: Run, cloudflare: Simulator, total: int) -> None:
    """A list that was read to its end is complete, even if the announced total is too low."""
    claim(cloudflare, total)
    assert len(listed(run)) == 25


def test_invalid_values(run: Run, cloudflare: Simulator) -> None:
    """A user with an invalid last login is not listed as idle, and one line shows how many there are."""
    broken: dict[str, Any] = {"access_seat": True, "created_at": "2020-01-01T00:00:00Z"}
    logins = ["planted", 5, "2026-12-24T00:00:00Z"]
    invalid: list[Any] = [
        broken | {"id": f"invalid {n}", "last_successful_login": login} for n, login in enumerate(logins)
    ]
    cloudflare.accounts["first"].users = [person(1), *invalid]
    code, out, err = run("--idle-seats=90d", "--format=json")
    assert (code, [row["email"] for row in json.loads(out)]) == (0, ["person1@example.com"])
    assert "users=2" in err
    assert "planted" not in err
