"""Answers of "Get users" in, the whole exposition of the users out. It is always 2026-09-21T14:13:20Z."""

import json
from typing import Any

import msgspec
import pytest

from access_exporter.cloudflare import pagination
from access_exporter.collectors.users_summary import User, UsersSummary, summarize
from access_exporter.config.model import Users
from tests.collectors.cloudflare import Body, Cloudflare, Row, answer, honest_pages, pages
from tests.exporter import ACCOUNT_ID, DATA, Exporter, page_of
from tests.fakes import START

TODAY = "2026-09-21T10:00:00Z"
TODAY_SECONDS = "1.7899848e+09"  # 4 h 13 min 20 s before 1790000000
EXAMPLE: dict[str, Any] = json.loads((DATA / "get-users.json").read_text())


def polled(cloudflare: Cloudflare, *bodies: Body, beyond: Body | None = None) -> str:
    """The exposition after a poll of a list with these pages."""
    cloudflare.lists("users", *bodies, **({} if beyond is None else {"beyond": beyond}))
    return Exporter().polled()


def expected(**values: float | str | None) -> str:
    """The exposition with these values; nobody has logged in, and no seat expires, unless they say so."""
    return page_of("users", **({"seats_limit": 50, "seat_expiration": None, "last_login": None} | values))


def health(**values: float | str | None) -> str:
    """The exposition of a target that has no numbers to show."""
    page = expected(**values)
    return page[page.index("# HELP cloudflare_access_poll_success") :]


def holders(number: int) -> list[Row]:
    """So many users with an Access seat, one device and a login today."""
    return [
        {"id": str(index), "access_seat": True, "active_device_count": 1, "last_successful_login": TODAY}
        for index in range(number)
    ]


def expected_holders(number: int) -> str:
    """The exposition of exactly so many of them."""
    return expected(
        users_access=number,
        seats_access=number,
        seats_used=number,
        active_devices=number,
        devices_1=number,
        within_1d=number,
        within_7d=number,
        within_30d=number,
        last_login=TODAY_SECONDS,
    )


class TestNumbers:
    def test_empty_account(self, cloudflare: Cloudflare) -> None:
        """An account without users has zeros, and no last login."""
        assert polled(cloudflare, *honest_pages([])) == expected()
        assert cloudflare.pages_asked() == [1]

    def test_one_page(self, cloudflare: Cloudflare) -> None:
        """Users of every kind are counted by seat, devices, idleness and login."""
        seen = "last_successful_login"
        rows: list[Row] = [
            {"access_seat": True, "gateway_seat": False, "active_device_count": 2, seen: TODAY},
            {"access_seat": True, "gateway_seat": True, "active_device_count": 1, seen: "2026-09-16T00:00:00Z"},
            {"access_seat": False, "gateway_seat": True, "active_device_count": 4, seen: "2026-08-01T00:00:00Z"},
            {"access_seat": True, "gateway_seat": False, "active_device_count": 0, seen: "2026-07-01T00:00:00Z"},
            {"access_seat": True, "gateway_seat": True, "active_device_count": 6, seen: "2026-05-01T00:00:00Z"},
            {"access_seat": True, "active_device_count": 0, "created_at": "2026-06-01T00:00:00Z"},
            {"gateway_seat": True, "created_at": "2026-09-10T00:00:00Z"},
            {"access_seat": False, "gateway_seat": False, "active_device_count": 3, seen: "2026-09-01T00:00:00Z"},
            {"active_device_count": 0, "created_at": "2020-01-01T00:00:00Z"},
            {"access_seat": True, "created_at": "2020-01-01T00:00:00Z", seen: "2026-06-01T00:00:00Z"},
        ]
        for number, row in enumerate(rows):
            row["id"] = str(number)
        assert polled(cloudflare, *honest_pages(rows)) == expected(
            users_none=1,
            users_access=4,
            users_gateway=2,
            users_both=2,
            users_unknown=1,
            seats_access=6,
            seats_gateway=4,
            seats_used=8,
            active_devices=16,
            devices_0=3,
            devices_1=1,
            devices_2=1,
            devices_3_to_5=2,
            devices_6_and_more=1,
            devices_unknown=2,
            idle_30_none=2,
            idle_30_some=2,
            idle_30_unknown=1,
            idle_60_none=2,
            idle_60_some=1,
            idle_60_unknown=1,
            idle_90_none=1,
            idle_90_some=1,
            idle_90_unknown=1,
            never_used=2,
            within_1d=1,
            within_7d=2,
            within_30d=3,
            last_login=TODAY_SECONDS,
        )

    def test_documented_example(self, cloudflare: Cloudflare) -> None:
        """The example of the API page is one user without a seat and with two devices, whatever its totals say."""
        body = (DATA / "get-users.json").read_bytes()
        example = expected(users_none=1, active_devices=2, devices_2=1, last_login="1.5935808e+09")
        assert polled(cloudflare, body) == example
        assert polled(cloudflare, body, beyond=body) == example

    def test_configuration(self, cloudflare: Cloudflare) -> None:
        """Days of idleness are those configured, and what is not configured is absent."""
        cloudflare.lists("users", answer([{"gateway_seat": True, "last_successful_login": "2026-09-16T00:00:00Z"}]))
        page = Exporter(name=None, seat_limit=None, users=Users(idle_days=(5, 6))).polled()
        assert f'account_name="{ACCOUNT_ID}"' in page
        assert "seats_limit" not in page
        idle = [line.partition("devices=")[2] for line in page.splitlines() if "seats_idle{" in line]
        assert idle == [
            '"none",idle_days="5"} 0.0',
            '"some",idle_days="5"} 0.0',
            '"unknown",idle_days="5"} 1.0',
            '"none",idle_days="6"} 0.0',
            '"some",idle_days="6"} 0.0',
            '"unknown",idle_days="6"} 0.0',
        ]

    def test_idle_for_longer_than_computers_count(self, cloudflare: Cloudflare) -> None:
        """Nobody is idle for a time that began before 1970, and who never logged in still never did."""
        row = {"access_seat": True, "active_device_count": 0, "created_at": "1971-01-01T00:00:00Z"}
        cloudflare.lists("users", answer([row, {"access_seat": True}]))
        page = Exporter(users=Users(idle_days=(20000, 25000, 36500))).polled()
        idle = [line.partition("devices=")[2] for line in page.splitlines() if "seats_idle{" in line and "1.0" in line]
        assert idle == ['"none",idle_days="20000"} 1.0']
        assert f'cloudflare_access_seats_never_used{{account_id="{ACCOUNT_ID}"}} 2.0' in page


class TestPages:
    def test_many(self, cloudflare: Cloudflare) -> None:
        """A list of three pages is asked for in three requests of a thousand each, and summed over all of them."""
        never = [
            {"id": f"new {index}", "gateway_seat": True, "active_device_count": 0, "created_at": "2020-01-01T00:00:00Z"}
            for index in range(1000)
        ]
        assert polled(cloudflare, *honest_pages(never + holders(1500))) == expected(
            users_access=1500,
            users_gateway=1000,
            seats_access=1500,
            seats_gateway=1000,
            seats_used=2500,
            active_devices=1500,
            devices_0=1000,
            devices_1=1500,
            idle_30_none=1000,
            idle_60_none=1000,
            idle_90_none=1000,
            never_used=1000,
            within_1d=1500,
            within_7d=1500,
            within_30d=1500,
            last_login=TODAY_SECONDS,
        )
        assert sorted(cloudflare.pages_asked()) == [1, 2, 3]
        assert {asked["per_page"] for _, asked in cloudflare.asked} == {"1000"}

    @pytest.mark.parametrize(
        "info",
        [
            {"per_page": 100, "total_count": 250, "total_pages": 3},
            {"per_page": 100, "total_count": 250},
            {"per_page": 100, "total_pages": 3},
            {"per_page": 100},
            {"per_page": 1000, "total_count": 250, "total_pages": 1},
            {"per_page": 1000, "total_count": 250, "total_pages": 3},
            {"per_page": 1000, "total_count": 1, "total_pages": 100},
            {"per_page": 1000, "total_count": 100, "total_pages": 2},
            {"per_page": 1000},
            {"total_count": 250, "total_pages": 3},
            {"total_count": 100, "total_pages": 1},
            {},
            None,
        ],
    )
    def test_clamped_page_size(self, cloudflare: Cloudflare, info: object) -> None:
        """A server that gives a hundred where a thousand were asked for is read to the end, even if it denies that."""
        assert polled(cloudflare, *pages(holders(250), 100, result_info=info)) == expected_holders(250)

    @pytest.mark.parametrize("users", [1, 100, 200, 250, 400])
    @pytest.mark.parametrize(
        "totals",
        [
            pytest.param({"total_count": 1, "total_pages": 100}, id="documented example"),
            pytest.param({"total_count": 150, "total_pages": 2}, id="too small"),
            pytest.param({"total_count": 350, "total_pages": 4}, id="close"),
            pytest.param({"total_count": 801, "total_pages": 9}, id="too large"),
            pytest.param({"total_count": 10**18, "total_pages": 10**16}, id="far too large"),
            pytest.param({"total_count": 0, "total_pages": 0}, id="none"),
            pytest.param({"total_count": 250, "total_pages": 1}, id="contradictory"),
        ],
    )
    def test_wrong_totals(self, cloudflare: Cloudflare, users: int, totals: dict[str, int]) -> None:
        """Totals that contradict each other or the rows neither end a list early nor keep it from ending."""
        info = {"count": 100, "page": 1, "per_page": 100, **totals}
        assert polled(cloudflare, *pages(holders(users), 100, result_info=info)) == expected_holders(users)

    @pytest.mark.parametrize(
        "info",
        [
            "null",
            "[]",
            "[[1], {}]",
            "{}",
            "5",
            "true",
            '"per_page"',
            '{"per_page": "100", "total_count": [1], "total_pages": {}}',
            '{"per_page": null, "total_count": null, "total_pages": null}',
            '{"per_page": true, "total_count": true, "total_pages": true}',
            '{"per_page": 100.0, "total_count": 150.0, "total_pages": 2.0}',
            '{"per_page": 99.5, "total_count": 149.5, "total_pages": 1.5}',
            '{"per_page": -100, "total_count": -150, "total_pages": -2}',
            '{"per_page": 0, "total_count": 0, "total_pages": 0}',
            '{"per_page": 1e400, "total_count": 1e400, "total_pages": 1e400}',
            '{"per_page": NaN, "total_count": -Infinity, "total_pages": NaN}',
            '{"per_page": 1' + "0" * 300 + "}",
            '{"\\ud83d": "\\ud83d"}',
        ],
    )
    def test_odd_result_info(self, cloudflare: Cloudflare, info: str) -> None:
        """A result_info that is null, of another type or full of nonsense is as good as none."""
        bodies = [f'{body[:-1]}, "result_info": {info}}}' for body in pages(holders(150), 100)]
        assert polled(cloudflare, *bodies) == expected_holders(150)

    def test_no_result_info(self, cloudflare: Cloudflare) -> None:
        """Where nobody says how long a full page is, the list ends with the empty page after the last."""
        assert polled(cloudflare, *pages(holders(1500))) == expected_holders(1500)
        assert cloudflare.pages_asked() == [1, 2, 3]

    @pytest.mark.parametrize("total", [10, 13, None])
    def test_repeated_rows(self, cloudflare: Cloudflare, total: int | None) -> None:
        """A user who is listed again at the start of the next page, or anywhere, is counted once."""
        rows = holders(10)
        info = {"per_page": 4, "total_count": total, "total_pages": total and -(-total // 4)}
        bodies = (
            answer(part, result_info=info)
            for part in (rows[:4], rows[3:7], rows[5:9], [rows[9], rows[0]], [], [rows[1]])
        )
        assert polled(cloudflare, *bodies) == expected_holders(10)

    @pytest.mark.parametrize(
        "info",
        [
            {},
            {"result_info": None},
            {"result_info": EXAMPLE["result_info"]},
            {"result_info": {"per_page": 0, "total_count": 0, "total_pages": 0}},
            {"result_info": {"per_page": 20, "total_count": 20, "total_pages": 1}},
            {"result_info": {"per_page": 1000, "total_count": 20, "total_pages": 1}},
        ],
    )
    def test_same_short_page_for_ever(self, cloudflare: Cloudflare, info: dict[str, object]) -> None:
        """A server that gives its one short page for every number comes to an end with the right numbers."""
        body = answer(holders(20), **info)
        assert polled(cloudflare, body, beyond=body) == expected_holders(20)
        assert len(cloudflare.asked) <= 11

    def test_same_short_page_with_nameless_rows_for_ever(self, cloudflare: Cloudflare) -> None:
        """Rows without an id are not counted again with the page they stand on."""
        body = answer([*holders(18), *({**row, "id": None} for row in holders(2))])
        assert polled(cloudflare, body, beyond=body) == expected_holders(20)

    @pytest.mark.parametrize(
        ("size", "info"),
        [
            (1000, {}),
            (1000, {"result_info": {"per_page": 1000}}),
            (1000, {"result_info": {"per_page": 1000, "total_count": 3000, "total_pages": 3}}),
            (1000, {"result_info": {"per_page": 5000}}),
            (100, {"result_info": {"per_page": 100}}),
            (100, {"result_info": {"per_page": 100, "total_count": 250, "total_pages": 3}}),
            (100, {"result_info": {"per_page": 1000, "total_count": 250, "total_pages": 1}}),
            (100, {"result_info": EXAMPLE["result_info"]}),
        ],
    )
    def test_same_full_page_for_ever(self, cloudflare: Cloudflare, size: int, info: dict[str, object]) -> None:
        """A server that repeats its first page although there must be more is an error, not a number."""
        body = answer(holders(size), **info)
        page = polled(cloudflare, body, beyond=body)
        assert page == health(success=0, last_success=None, errors_invalid_response=1)

    @pytest.mark.parametrize(("limit", "value", "requests"), [("MAX_ROWS", 50, 6), ("MAX_PAGES", 7, 7)])
    def test_endless(
        self, cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, requests: int
    ) -> None:
        """A list of ever new rows is given up, not followed for ever."""
        monkeypatch.setattr(pagination, limit, value)
        body = answer([{}] * 10)
        page = polled(cloudflare, body, beyond=body)
        assert page == health(success=0, last_success=None, errors_invalid_response=1)
        assert len(cloudflare.asked) == requests

    def test_failed_walk(self, cloudflare: Cloudflare) -> None:
        """A walk that does not reach its end changes nothing but the health of the target."""
        cloudflare.lists("users", *honest_pages(holders(3)))
        exporter = Exporter()
        before = exporter.polled()
        cloudflare.lists("users", *honest_pages(holders(1500))[:1], beyond="<html>")
        exporter.clock.now += 60
        assert before == expected_holders(3)
        assert exporter.polled() == (
            before.replace(
                'poll_success{account_id="023e105f4ecef8ad9ca31a8372d0c353",collector="users",target="users"} 1.0',
                'poll_success{account_id="023e105f4ecef8ad9ca31a8372d0c353",collector="users",target="users"} 0.0',
            ).replace('reason="invalid_response",target="users"} 0.0', 'reason="invalid_response",target="users"} 1.0')
        )


# A user of both products with two devices, made long ago and logged in today.
BOTH: Row = {
    "id": "f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
    "access_seat": True,
    "active_device_count": 2,
    "created_at": "2020-01-01T00:00:00Z",
    "email": "jdoe@example.com",
    "gateway_seat": True,
    "last_successful_login": TODAY,
    "name": "Jane Doe",
    "seat_uid": "seat_uid",
    "uid": "uid",
    "updated_at": "2020-01-01T00:00:00Z",
}
EXPECTED_BOTH: dict[str, float | str | None] = {
    "users_both": 1,
    "seats_access": 1,
    "seats_gateway": 1,
    "seats_used": 1,
    "active_devices": 2,
    "devices_2": 1,
    "within_1d": 1,
    "within_7d": 1,
    "within_30d": 1,
    "last_login": TODAY_SECONDS,
}
WITHOUT: dict[str, dict[str, float | str | None]] = {
    "access_seat": {"users_both": 0, "users_gateway": 1, "seats_access": 0},
    "gateway_seat": {"users_both": 0, "users_access": 1, "seats_gateway": 0},
    "active_device_count": {"active_devices": 0, "devices_2": 0, "devices_unknown": 1},
    "last_successful_login": {
        "within_1d": 0,
        "within_7d": 0,
        "within_30d": 0,
        "last_login": None,
        "never_used": 1,
        "idle_30_some": 1,
        "idle_60_some": 1,
        "idle_90_some": 1,
    },
}


class TestFields:
    @pytest.mark.parametrize("field", BOTH)
    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    def test_missing(self, cloudflare: Cloudflare, field: str, empty: object) -> None:
        """A field that is absent, null or "" is not known, and takes nothing else with it."""
        row = {name: value for name, value in BOTH.items() if name != field}
        if empty != {}:
            row[field] = empty
        assert polled(cloudflare, answer([row])) == expected(**(EXPECTED_BOTH | WITHOUT.get(field, {})))

    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    def test_all_missing(self, cloudflare: Cloudflare, empty: object) -> None:
        """A user of whom nothing is known is counted as such, and so is the next."""
        row = {} if empty == {} else dict.fromkeys(BOTH, empty)
        assert polled(cloudflare, answer([row, row])) == expected(users_unknown=2, devices_unknown=2)

    def test_missing_times(self, cloudflare: Cloudflare) -> None:
        """A seat is not idle where neither a login nor a creation is known, but it was never used."""
        row = {"id": "1", "access_seat": True, "active_device_count": 0}
        assert polled(cloudflare, answer([row])) == expected(
            users_access=1, seats_access=1, seats_used=1, devices_0=1, never_used=1
        )

    @pytest.mark.parametrize(
        "name",
        [
            rb"O\"Hara \\ Sons",
            rb"two\nlines\r\n",
            "\N{ROCKET} Zoë 名前 \u202eright to left".encode(),
            rb"\ud83d\ude80",
            rb"half a rocket \ud83d",
            rb"the other half \ude80",
            b"raw \x00 \x01 \x1f \n \t characters",
            rb"\u0000",
            b"not UTF-8 \xff\xfe",
            b'} 1.0\\ncloudflare_access_seats_used{account_id=\\"x\\"',
        ],
    )
    def test_odd_name(self, cloudflare: Cloudflare, name: bytes) -> None:
        """Whatever a user is called, even in the id, it is one user and nothing of it is shown."""
        body = answer([BOTH, BOTH | {"id": "NAME", "name": "NAME", "email": "NAME", "uid": "NAME"}])
        assert polled(cloudflare, body.encode().replace(b"NAME", name)) == expected(
            users_both=2,
            seats_access=2,
            seats_gateway=2,
            seats_used=2,
            active_devices=4,
            devices_2=2,
            within_1d=2,
            within_7d=2,
            within_30d=2,
            last_login=TODAY_SECONDS,
        )

    def test_byte_order_mark(self, cloudflare: Cloudflare) -> None:
        """A byte order mark before the answer does no harm."""
        assert polled(cloudflare, b"\xef\xbb\xbf" + answer([BOTH]).encode()) == expected(**EXPECTED_BOTH)

    def test_unknown_fields(self, cloudflare: Cloudflare) -> None:
        """Fields the API page does not name yet are passed over, wherever they stand."""
        row = BOTH | {"access_seats": {"a": [1, None, "x"]}, "": "", "device_count": "many"}
        body = answer([row], cursor=None, result_set=[[]])
        assert polled(cloudflare, body) == expected(**EXPECTED_BOTH)

    @pytest.mark.parametrize(
        ("login", "seconds"),
        [
            ("2026-09-21T12:00:00Z", "1.789992e+09"),
            ("2026-09-21t12:00:00z", "1.789992e+09"),
            ("2026-09-21 12:00:00Z", "1.789992e+09"),
            ("2026-09-21T12:00:00", "1.789992e+09"),
            ("2026-09-21 12:00:00", "1.789992e+09"),
            ("2026-09-21T12:00:00+00:00", "1.789992e+09"),
            ("2026-09-21T12:00:00-00:00", "1.789992e+09"),
            ("2026-09-21T14:00:00+02:00", "1.789992e+09"),
            ("2026-09-21T04:30:00-07:30", "1.789992e+09"),
            ("2026-09-22T01:00:00+13:00", "1.789992e+09"),
            ("2026-09-21T12:00:00.0Z", "1.789992e+09"),
            ("2026-09-21T12:00:00.5Z", "1.7899920005e+09"),
            ("2026-09-21T12:00:00.25", "1.78999200025e+09"),
            ("2026-09-21T12:00:00.123456Z", "1.789992000123456e+09"),
            ("2026-09-21T12:00:00.123456789Z", "1.789992000123457e+09"),
            ("2026-09-21T15:13:20Z", "1.7900036e+09"),
        ],
    )
    def test_times(self, cloudflare: Cloudflare, login: str, seconds: str) -> None:
        """A time is read with any zone, without one as UTC, to the microsecond, and may lie in the future."""
        body = answer([BOTH | {"last_successful_login": login}])
        assert polled(cloudflare, body) == expected(**(EXPECTED_BOTH | {"last_login": seconds}))

    @pytest.mark.parametrize(
        "never",
        [
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00",
            "0001-01-01T00:00:00+05:00",
            "0001-01-01T00:00:00-05:00",
            "1970-01-01T00:00:00Z",
        ],
    )
    def test_times_that_never_were(self, cloudflare: Cloudflare, never: str) -> None:
        """The year 1 and the start of the epoch stand for a time that is not known."""
        body = answer([BOTH | {"last_successful_login": never}, {**BOTH, "id": "2", "created_at": never}])
        assert polled(cloudflare, body) == expected(
            users_both=2,
            seats_access=2,
            seats_gateway=2,
            seats_used=2,
            active_devices=4,
            devices_2=2,
            idle_30_some=1,
            idle_60_some=1,
            idle_90_some=1,
            never_used=1,
            within_1d=1,
            within_7d=1,
            within_30d=1,
            last_login=TODAY_SECONDS,
        )

    @pytest.mark.parametrize(
        ("login", "idle", "within"),
        [
            ("2026-09-20T14:13:20.000001Z", [], ["1d", "7d", "30d"]),
            ("2026-09-20T14:13:20Z", [], ["1d", "7d", "30d"]),
            ("2026-09-20T14:13:19.999999Z", [], ["7d", "30d"]),
            ("2026-09-14T14:13:20Z", [], ["7d", "30d"]),
            ("2026-09-14T14:13:19.999999Z", [], ["30d"]),
            ("2026-08-22T14:13:20.000001Z", [], ["30d"]),
            ("2026-08-22T14:13:20Z", [30], ["30d"]),
            ("2026-08-22T16:13:20+02:00", [30], ["30d"]),
            ("2026-08-22T14:13:19.999999Z", [30], []),
            ("2026-07-23T14:13:20.000001Z", [30], []),
            ("2026-07-23T14:13:20Z", [30, 60], []),
            ("2026-06-23T14:13:20.000001Z", [30, 60], []),
            ("2026-06-23T14:13:20Z", [30, 60, 90], []),
        ],
    )
    def test_boundaries(self, cloudflare: Cloudflare, login: str, idle: list[int], within: list[str]) -> None:
        """Exactly thirty days ago is both within thirty days and idle for thirty days; it is counted from `login`."""
        values: dict[str, float | str | None] = {f"idle_{days}_some": 1 for days in idle}
        values |= {f"within_{span}": int(span in within) for span in ("1d", "7d", "30d")}
        page = polled(cloudflare, answer([BOTH | {"last_successful_login": login}]))
        last_login = next(line.split()[1] for line in page.splitlines() if line.startswith(LAST_LOGIN))
        assert page == expected(**(EXPECTED_BOTH | values | {"last_login": last_login}))

    @pytest.mark.parametrize(
        ("created", "idle"),
        [
            ("2026-08-22T14:13:20.000001Z", []),
            ("2026-08-22T14:13:20Z", [30]),
            ("2026-06-23T14:13:20Z", [30, 60, 90]),
            ("2027-01-01T00:00:00Z", []),
        ],
    )
    def test_never_used(self, cloudflare: Cloudflare, created: str, idle: list[int]) -> None:
        """A seat nobody has used is idle since its user was created."""
        values: dict[str, float | str | None] = {f"idle_{days}_some": 1 for days in idle}
        without = {name: value for name, value in WITHOUT["last_successful_login"].items() if "idle" not in name}
        page = polled(cloudflare, answer([BOTH | {"last_successful_login": None, "created_at": created}]))
        assert page == expected(**(EXPECTED_BOTH | without | values))

    @pytest.mark.parametrize(
        ("count", "bucket", "total"),
        [
            ("0", "0", 0),
            ("0.0", "0", 0),
            ("-0.0", "0", 0),
            ("1", "1", 1),
            ("2.0", "2", 2),
            ("2.5", "2", 2.5),
            ("3", "3_to_5", 3),
            ("5", "3_to_5", 5),
            ("5.75", "3_to_5", 5.75),
            ("6", "6_and_more", 6),
            ("1e3", "6_and_more", 1000),
            ("123456789", "6_and_more", "1.23456789e+08"),
            ("1e300", "6_and_more", "1e+300"),
            ("1" + "0" * 400, "unknown", 0),
            ("-1" + "0" * 400, "unknown", 0),
            ("1" + "0" * 300, "6_and_more", "1e+300"),
            ("1e400", "unknown", 0),
            ("-1", "unknown", 0),
            ("-1e400", "unknown", 0),
            ("NaN", "unknown", 0),
            ("null", "unknown", 0),
        ],
    )
    def test_devices(self, cloudflare: Cloudflare, count: str, bucket: str, total: float | str) -> None:
        """A number of devices may be fractional or huge; one that cannot be is not known, and not counted."""
        idle = {"0": "none", "unknown": "unknown"}.get(bucket, "some")
        row = {"id": "1", "access_seat": True, "active_device_count": "COUNT", "created_at": "2026-08-01T00:00:00Z"}
        assert polled(cloudflare, answer([row]).replace('"COUNT"', count)) == expected(
            **{
                "users_access": 1,
                "seats_access": 1,
                "seats_used": 1,
                "active_devices": total,
                f"devices_{bucket}": 1,
                f"idle_30_{idle}": 1,
                "never_used": 1,
            }
        )

    @pytest.mark.parametrize(
        "row",
        [
            "null",
            "[]",
            '"user"',
            '{"id": 5}',
            '{"access_seat": "yes"}',
            '{"gateway_seat": 1}',
            '{"active_device_count": "2"}',
            '{"active_device_count": true}',
            '{"active_device_count": 1' + "0" * 5000 + "}",
            '{"last_successful_login": "yesterday"}',
            '{"last_successful_login": 1789984800}',
            '{"created_at": "2026-09-21"}',
            '{"created_at": "2026-02-30T00:00:00Z"}',
        ],
    )
    def test_wrong_type(self, cloudflare: Cloudflare, row: str) -> None:
        """A row that is not as documented fails the poll: no number is better than a wrong one."""
        page = polled(cloudflare, '{"success": true, "result": [{"id": "1"}, ROW]}'.replace("ROW", row))
        assert page == health(success=0, last_success=None, errors_invalid_response=1)


LAST_LOGIN = "cloudflare_access_last_login_timestamp_seconds"


def test_what_an_older_version_has_stored() -> None:
    """A summary that was stored before there were all of its fields can still be read."""
    summary = summarize([[User("1", access_seat=True)]], (30,), START)
    stored = msgspec.to_builtins(summary)
    for younger in ("seat_expiration", "users_by_domain"):
        del stored[younger]
    assert msgspec.json.decode(msgspec.json.encode(stored), type=UsersSummary) == summary


def test_a_total_that_counts_only_its_page(cloudflare: Cloudflare) -> None:
    """A total that only counts its page agrees with all that was seen, and yet ends no list on its first page."""
    info = {"per_page": 100, "total_count": 100, "total_pages": 1}
    assert polled(cloudflare, *pages(holders(250), 100, result_info=info)) == expected_holders(250)


def test_more_kinds_of_users_than_can_be(cloudflare: Cloudflare) -> None:
    """Users of whom no two have the same number of devices are no list of users, and take no memory without end."""
    rows = [{"id": str(number), "access_seat": True, "active_device_count": number / 7} for number in range(101_000)]
    page = polled(cloudflare, *pages(rows))
    assert page == health(success=0, last_success=None, errors_invalid_response=1)


def test_pages_that_grow(cloudflare: Cloudflare) -> None:
    """Where pages grow while a list is read, users were passed over, so nothing is believed."""
    rows = holders(3000)
    info = {"total_count": 3000, "per_page": 1000, "total_pages": 3}
    small = answer(rows[:500], result_info=info | {"per_page": 500, "total_pages": 6})
    large = [answer(rows[first : first + 1000], result_info=info) for first in (1000, 2000)]
    page = polled(cloudflare, small, *large)
    assert page == health(success=0, last_success=None, errors_invalid_response=1)
