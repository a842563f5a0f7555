"""Valid, missing and invalid fields of users. The current time is always 2026-09-21T14:13:20Z."""

import pytest

from tests.collectors.cloudflare import Cloudflare, answer
from tests.collectors.people import BOTH, EXPECTED_BOTH, TODAY_SECONDS, WITHOUT, expected, health, polled


class TestFields:
    @pytest.mark.parametrize("field", BOTH)
    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    def test_missing(self, cloudflare: Cloudflare, field: str, empty: object) -> None:
        """A field that is missing, null or "" is unknown, and affects no other number."""
        row = {name: value for name, value in BOTH.items() if name != field}
        if empty != {}:
            row[field] = empty
        assert polled(cloudflare, answer([row])) == expected(**(EXPECTED_BOTH | WITHOUT.get(field, {})))

    @pytest.mark.parametrize("empty", [{}, None, ""], ids=["absent", "null", "empty"])
    def test_all_missing(self, cloudflare: Cloudflare, empty: object) -> None:
        """A user without any data counts as unknown, and each such user counts."""
        row = {} if empty == {} else dict.fromkeys(BOTH, empty)
        assert polled(cloudflare, answer([row, row])) == expected(users_unknown=2, devices_unknown=2)

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
    def test_unusual_name(self, cloudflare: Cloudflare, name: bytes) -> None:
        """A user with any name or id counts as one user, and the name is not shown."""
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
        """A byte order mark at the start of a response is ignored."""
        assert polled(cloudflare, b"\xef\xbb\xbf" + answer([BOTH]).encode()) == expected(**EXPECTED_BOTH)

    def test_unknown_fields(self, cloudflare: Cloudflare) -> None:
        """The exporter ignores undocumented fields anywhere in the response."""
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
        """A time can have any time zone, is UTC without one, is read to the microsecond, and can be in the future."""
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
    def test_placeholder_times(self, cloudflare: Cloudflare, never: str) -> None:
        """The year 1 and the start of 1970 are placeholders for an unknown time."""
        body = answer([BOTH | {"last_successful_login": never}, {**BOTH, "id": "2", "created_at": never}])
        assert polled(cloudflare, body) == expected(
            users_both=2,
            seats_access=2,
            seats_gateway=2,
            seats_used=2,
            active_devices=4,
            devices_2=2,
            unknown_30=1,
            unknown_60=1,
            unknown_90=1,
            within_1d=1,
            within_7d=1,
            within_30d=1,
            last_login=TODAY_SECONDS,
        )

    @pytest.mark.parametrize(
        "row",
        [
            "null",
            "[]",
            '"user"',
            '{"id": 5}',
            '{"id": true, "access_seat": "yes"}',
        ],
    )
    def test_invalid_row(self, cloudflare: Cloudflare, row: str) -> None:
        """A row of a wrong type, or with an invalid id, fails the poll, so that no user is counted twice."""
        page = polled(cloudflare, '{"success": true, "result": [{"id": "1"}, ROW]}'.replace("ROW", row))
        assert page == health(success=0, last_success=None, errors_invalid_response=1)
