"""`--idle-seats`: which users are idle, and which fields are shown. The time is always 2026-09-21T14:13:20Z."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from access_exporter.simulator import Simulator
from access_exporter.simulator.account import Row
from tests.commands.idle import days_ago, device, listed, person
from tests.processes import Run


class TestIdleUsers:
    def test_as_many_as_the_metric_counts(self, run: Run, cloudflare: Simulator) -> None:
        """The list is as long as the metric says, for every number of days, even for users with unusual fields."""
        cloudflare.accounts["first"].users = unusual_users(400)
        cloudflare.accounts["second"].users = unusual_users(100, seed=2)
        cloudflare.accounts["first"].registrations = unusual_registrations(300)
        page = run("--once", "--log.level=error").out
        counted = {"30": 0.0, "60": 0.0, "90": 0.0}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "cloudflare_access_seats_idle":
                    counted[sample.labels["idle_days"]] += sample.value
        assert counted["30"] > counted["60"] > counted["90"] > 0
        for days, number in counted.items():
            assert len(json.loads(run(f"--idle-seats={days}d", "--format=json").out)) == number

    @pytest.mark.parametrize(
        ("idle", "who"),
        [
            ("0s", "1234"),
            ("1h", "234"),
            ("24h", "234"),
            ("86401s", "34"),
            ("2d", "34"),
            ("1d24h", "34"),
            ("36500d", ""),
        ],
    )
    def test_how_long(self, run: Run, cloudflare: Simulator, idle: str, who: str) -> None:
        """The time may have any unit, may be 0, and is exact to the second."""
        cloudflare.accounts["first"].users = [person(1, 0), person(2, 1), person(3, 2), person(4, 400)]
        rows = json.loads(run(f"--idle-seats={idle}", "--format=json").out)
        assert sorted(row["name"][-1] for row in rows) == list(who)

    def test_order(self, run: Run, cloudflare: Simulator) -> None:
        """The user who has been idle longest comes first, over all accounts; e-mail address and id break ties."""
        cloudflare.accounts["first"].users = [
            *(person(5, 100), person(4, 100, email="b@example.com"), person(3, 100, email="b@example.com")),
            *(person(2, 300), person(1, 95)),
        ]
        cloudflare.accounts["second"].users = [person(6, 200), person(7, 100, email=None), person(8, 100, email="a@a")]
        expected = [2, 6, 7, 8, 3, 4, 5, 1]
        assert [row["name"] for row in listed(run)] == [f"Person {number}" for number in expected]
        for account in cloudflare.accounts.values():
            account.users = account.users[::-1]
        assert [row["name"] for row in listed(run)] == [f"Person {number}" for number in expected]

    def test_rows_that_are_alike(self, run: Run, cloudflare: Simulator) -> None:
        """Users with equal fields and without an id are all listed."""
        row = {"access_seat": True, "created_at": "2020-01-01T00:00:00Z"}
        cloudflare.accounts["first"].users = [row] * 3
        assert len(listed(run)) == 3

    def test_repeated_rows(self, run: Run, cloudflare: Simulator) -> None:
        """Each user is listed once, even if the pages repeat some."""
        people = [person(number, 100 + number) for number in range(95)]
        cloudflare.accounts["first"].users = [*people, *people[:20]]
        assert [row["idle_days"] for row in listed(run)] == list(range(194, 99, -1))

    @pytest.mark.parametrize(
        ("created", "login", "shown"),
        [
            ("2020-01-01T00:00:00Z", "0001-01-01T00:00:00Z", ["2020-01-01T00:00:00Z", None]),
            ("0001-01-01T00:00:00+05:00", "2020-01-01T05:00:00+05:00", [None, "2020-01-01T00:00:00Z"]),
            ("9999-12-31T23:59:59-05:00", "2020-01-01 00:00:00", [None, "2020-01-01T00:00:00Z"]),
            ("2020-01-01T00:00:00.999999Z", "", ["2020-01-01T00:00:00Z", None]),
        ],
    )
    def test_times(self, run: Run, cloudflare: Simulator, created: str, login: str, shown: list[str | None]) -> None:
        """Times are shown in UTC to the second, and missing or impossible times are omitted."""
        row = {"access_seat": True, "created_at": created, "last_successful_login": login}
        cloudflare.accounts["first"].users = [row]
        (found,) = listed(run)
        assert [found["created"], found["last_login"]] == shown

    @pytest.mark.parametrize(
        ("count", "shown"), [(0, 0), (2.0, 2), (2.5, 2.5), (1e300, 1e300), (-1, None), (1e301, None), (None, None)]
    )
    def test_devices(self, run: Run, cloudflare: Simulator, count: float | None, shown: float | None) -> None:
        """The number of devices is shown as the API counts it; an impossible number is unknown."""
        cloudflare.accounts["first"].users = [person(1, active_device_count=count)]
        cloudflare.accounts["first"].registrations = (device("1", 200),)
        (found,) = listed(run)
        assert (found["active_devices"], type(found["active_devices"])) == (shown, type(shown))


def unusual_registrations(number: int) -> tuple[Row, ...]:
    """Return registrations of known, unknown and missing users, seen at any time."""
    chance = random.Random(3)
    holders: list[Any] = [None, {}, {"id": None, "email": None}, {"email": "X@EXAMPLE.COM"}]
    rows: list[Row] = []
    for index in range(number):
        seen = days_ago(chance.choice([-400, 0, 29, 30, 31, 59, 60, 61, 89, 90, 91])).isoformat()
        holder = chance.choice([*holders, *[{"id": str(chance.randrange(500))} for _ in range(9)]])
        revoked = chance.choice([None, None, "2026-09-01T00:00:00Z", "0001-01-01T00:00:00Z"])
        row = {"last_seen_at": chance.choice([seen, seen, None, ""]), "revoked_at": revoked, "user": holder}
        rows.append({"id": f"registration {index}", **row})
    return tuple(rows)


def unusual_users(number: int, seed: int = 1) -> list[Row]:
    """Return users with fields that are present, missing, null, empty, at a limit or out of range."""
    chance = random.Random(seed)
    edges = [days_ago(days) + timedelta(seconds=more) for days in (30, 60, 90) for more in (-1, 0, 1)]
    times = [None, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "2030-01-01T00:00:00Z"]
    times += [edge.isoformat() for edge in edges] + [edge.replace(tzinfo=None).isoformat() for edge in edges]
    times += [edge.astimezone(tz=None).isoformat(" ") for edge in edges]
    values: dict[str, list[Any]] = {
        "access_seat": [True, True, False, None],
        "gateway_seat": [True, False, None],
        "active_device_count": [0, 1, 2.5, -1, 1e300, None],
        "created_at": times,
        "last_successful_login": times,
        "email": [None, "", "x@example.com"],
    }
    users: list[Row] = []
    for index in range(number):
        row = {name: chance.choice(choices) for name, choices in values.items() if chance.random() < 0.9}
        users.append({"id": chance.choice([str(index), str(index), None, ""]), **row})
    return users
