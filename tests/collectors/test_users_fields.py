"""Users with fields of every kind in, the whole exposition of the users out. It is always 2026-09-21T14:13:20Z."""

import pytest

from tests.collectors.cloudflare import Cloudflare, answer
from tests.collectors.people import BOTH, EXPECTED_BOTH, TODAY_SECONDS, WITHOUT, expected, health, polled


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
    def test_wrong_type(self, cloudflare: Cloudflare, row: str) -> None:
        """What is no row, or could be counted twice, fails the poll: no number is better than a wrong one."""
        page = polled(cloudflare, '{"success": true, "result": [{"id": "1"}, ROW]}'.replace("ROW", row))
        assert page == health(success=0, last_success=None, errors_invalid_response=1)
