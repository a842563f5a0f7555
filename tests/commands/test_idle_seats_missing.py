"""Lists of users that lack some, or hold values that cannot be, and who is idle. It is always 2026-09-21T14:13:20Z."""

import json
from typing import Any

import pytest

from access_exporter.simulator import Handler, Response, Simulator
from tests.commands.idle import listed, person
from tests.processes import Run


def claim(cloudflare: Simulator, total: int) -> None:
    """List 25 people in the first account, and claim that there are so many."""
    cloudflare.accounts["first"].users = [person(number) for number in range(25)]
    info = {"per_page": 10, "total_count": total, "total_pages": -(-total // 10)}

    def send(handler: Handler) -> None:
        body = json.loads(handler.response().body)
        handler.send(Response(200, json.dumps(body | {"result_info": info}).encode(), {}))

    cloudflare.fault = lambda request: send if request.account_id == "first" else None


@pytest.mark.parametrize("total", [26, 2345])
def test_missing_people(run: Run, cloudflare: Simulator, total: int) -> None:
    """Where an account announces more users than it lists, those listed are shown, and the exit code is 1."""
    claim(cloudflare, total)
    code, out, err = run("--idle-seats=90d", "--format=json")
    assert (code, len(json.loads(out))) == (1, 25)
    assert 'level=error msg="idle seats may be missing: Cloudflare lists fewer users than it announces"' in err
    assert f"account_id=first listed=25 announced={total} missing={total - 25}" in err


@pytest.mark.parametrize("total", [1, 20, 24])
def test_more_people_than_announced(run: Run, cloudflare: Simulator, total: int) -> None:
    """A total that is too low makes no list incomplete that was read to its end."""
    claim(cloudflare, total)
    assert len(listed(run)) == 25


def test_invalid_values(run: Run, cloudflare: Simulator) -> None:
    """A person whose last login cannot be read is not called idle, and one line says how many there are."""
    odd: dict[str, Any] = {"access_seat": True, "created_at": "2020-01-01T00:00:00Z"}
    logins = ["planted", 5, "2026-12-24T00:00:00Z"]
    odd_ones: list[Any] = [odd | {"id": f"odd {n}", "last_successful_login": login} for n, login in enumerate(logins)]
    cloudflare.accounts["first"].users = [person(1), *odd_ones]
    code, out, err = run("--idle-seats=90d", "--format=json")
    assert (code, [row["email"] for row in json.loads(out)]) == (0, ["person1@example.com"])
    assert "users=2" in err
    assert "planted" not in err
