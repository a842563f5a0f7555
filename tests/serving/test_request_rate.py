"""`rate_limit`: how many requests the web server answers."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from access_exporter.serving.request_rate import RequestRate, seconds
from tests.running_server import connect, everything, pages, serving, status
from tests.serving.web_files import HASH

OK, TOO_MANY = b"HTTP/1.1 200 OK", b"HTTP/1.1 429 Too Many Requests"
# The test requests need no password, but the exporter refuses a web configuration without users.
OPEN = f"basic_auth_users: {{alice: '{HASH}'}}\nauth_excluded_paths: [/-/healthy]\n"
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass
class Clock:
    """A monotonic clock that the test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def answers(port: int, number: int, request: bytes = REQUEST) -> list[bytes]:
    """Send this number of requests, and return the status lines of the responses."""
    lines = []
    for _ in range(number):
        with connect(port) as connection:
            connection.sendall(request)
            lines.append(status(everything(connection)))
    return lines


class TestRequestRate:
    def test_a_burst_and_then_one_in_each_interval(self) -> None:
        """The burst of requests is allowed at once, and then one request for each interval that has passed."""
        clock = Clock()
        rate = RequestRate(2.0, 3, clock)
        assert [rate.allows() for _ in range(5)] == [True, True, True, False, False]
        clock.now += 1.9
        assert not rate.allows()
        clock.now += 0.2
        assert [rate.allows() for _ in range(2)] == [True, False]
        clock.now += 3600
        assert [rate.allows() for _ in range(4)] == [True, True, True, False]

    def test_no_burst(self) -> None:
        """With a burst of 0 no request is allowed, as in the exporter-toolkit of Prometheus."""
        clock = Clock()
        rate = RequestRate(1.0, 0, clock)
        clock.now += 3600
        assert not rate.allows()

    @pytest.mark.parametrize("burst", [0, 1])
    def test_no_interval(self, burst: int) -> None:
        """With an interval of 0 there is no limit."""
        rate = RequestRate(0, burst, Clock())
        assert all(rate.allows() for _ in range(100))


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (0, 0),
        ("0", 0),
        ("0s", 0),
        ("1s", 1),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1m30s", 90),
        ("2h", 7200),
        ("250ms", 0.25),
        ("3us", 3e-6),
        ("3µs", 3e-6),
        ("3μs", 3e-6),
        ("7ns", 7e-9),
    ],
)
def test_intervals(interval: str | int, expected: float) -> None:
    """An interval is 0 or a duration in the notation of Go."""
    assert seconds(interval) == pytest.approx(expected)


class TestRequests:
    @pytest.mark.parametrize(
        ("limit", "expected"),
        [
            ("{interval: 1h, burst: 3}", [OK] * 3 + [TOO_MANY] * 2),
            ("{interval: 1h, burst: 0}", [TOO_MANY] * 5),
            ('{interval: "1h"}', [TOO_MANY] * 5),
            ("{interval: 0, burst: 0}", [OK] * 5),
            ("{interval: 0s, burst: 1}", [OK] * 5),
            ("{burst: 1}", [OK] * 5),
        ],
    )
    def test_status(self, tmp_path: Path, limit: str, expected: list[bytes]) -> None:
        """A request over the limit gets status 429; without an interval there is no limit."""
        web = tmp_path / "web.yaml"
        web.write_text(f"{OPEN}rate_limit: {limit}\n", encoding="utf-8")
        with serving(pages(web)) as port:
            assert answers(port, 5) == expected

    def test_before_the_password(self, tmp_path: Path) -> None:
        """The rate limit counts requests without a password too, and applies before the password is checked."""
        web = tmp_path / "web.yaml"
        web.write_text(f"{OPEN}rate_limit: {{interval: 1h, burst: 1}}\n", encoding="utf-8")
        with serving(pages(web)) as port:
            assert answers(port, 2, REQUEST.replace(b"/-/healthy", b"/metrics")) == [
                b"HTTP/1.1 401 Unauthorized",
                TOO_MANY,
            ]

    def test_changed_limit(self, tmp_path: Path) -> None:
        """A new limit applies to the next request; a change elsewhere in the file does not allow more requests."""
        web = tmp_path / "web.yaml"
        web.write_text(f"{OPEN}rate_limit: {{interval: 1h, burst: 1}}\n", encoding="utf-8")
        with serving(pages(web)) as port:
            assert answers(port, 2) == [OK, TOO_MANY]
            web.write_text(
                f"{OPEN}rate_limit: {{interval: 1h, burst: 1}}\n"
                "http_server_config: {headers: {X-Frame-Options: deny}}\n",
                encoding="utf-8",
            )
            assert answers(port, 1) == [TOO_MANY]
            web.write_text(f"{OPEN}rate_limit: {{interval: 1h, burst: 2}}\n", encoding="utf-8")
            assert answers(port, 3) == [OK, OK, TOO_MANY]
