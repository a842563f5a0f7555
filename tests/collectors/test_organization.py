"""The seat expiration, from responses of "Get your Zero Trust organization", in an account without users."""

from pathlib import Path

import pytest

from access_exporter.collectors import organization
from access_exporter.config.model import Account, Config
from access_exporter.config.secrets import Secret
from tests.collectors.cloudflare import Body, Cloudflare, answer
from tests.exporter import ACCOUNT_ID, API, Exporter, page_of
from tests.fakes import START, FakeClock
from tests.fleet import Fleet

PATH = "organizations"
HOUR = 3600


def says(cloudflare: Cloudflare, expiration: object) -> None:
    """Send a response with this seat expiration."""
    settings = {"name": "Widget Corps Internal Applications", "auth_domain": "test.cloudflareaccess.com"}
    cloudflare.says(PATH, answer({**settings, "user_seat_expiration_inactive_time": expiration}))


def expected(expiration: float | str | None, **values: float | str | None) -> str:
    """Return the exposition of an account without users and with this seat expiration in seconds."""
    return page_of("users", seats_limit=50, announced=None, seat_expiration=expiration, last_login=None, **values)


def times_asked(cloudflare: Cloudflare) -> int:
    """Return how often the organization was requested."""
    return [path for path, _ in cloudflare.asked].count(PATH)


@pytest.fixture
def exporter(cloudflare: Cloudflare) -> Exporter:
    """Return an exporter of an account without users."""
    cloudflare.lists("users")
    return Exporter()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("730h", "2.628e+06"),
        ("720h0m0s", "2.592e+06"),
        ("1h30m", 5400),
        ("1h1h", 7200),
        ("90m", 5400),
        ("1.5h", 5400),
        ("1.h", 3600),
        (".5h", 1800),
        ("300ms", 0.3),
        ("2us", 2e-06),
        ("2\u00b5s", 2e-06),
        ("2\u03bcs", 2e-06),
        ("5ns", 5e-09),
        ("2562047h", "9.2233692e+09"),
    ],
)
def test_durations(cloudflare: Cloudflare, exporter: Exporter, text: str, seconds: float | str) -> None:
    """The seat expiration is shown in seconds, for every duration format of Go."""
    says(cloudflare, text)
    assert exporter.polled() == expected(seconds)


@pytest.mark.parametrize(
    "value",
    [
        *("", "0", "0s", "0h0m", "-730h", "+730h", "730", "730 h", "h", ".h", "1d", "1h 30m", "1H", "730h\n", " 730h"),
        *("never", "1e3h", "\u0667h", "2562048h", "9" * 1000 + "h", "1h" * 1000, "9" * 1_000_000, None),
        *(730, 730.5, True, [], {}, ["730h"]),
    ],
)
def test_invalid_duration(cloudflare: Cloudflare, exporter: Exporter, value: object) -> None:
    """If the duration is missing, empty or invalid, the seat expiration is unknown; other numbers stay right."""
    says(cloudflare, value)
    assert exporter.polled() == expected(None)


@pytest.mark.parametrize("body", ['{"success": true, "result": {}}', answer([]), "<html>", b"\xff", answer(None), "[]"])
def test_invalid_responses(cloudflare: Cloudflare, exporter: Exporter, body: Body) -> None:
    """If the response is invalid, the seat expiration is unknown, and all other numbers stay right."""
    cloudflare.says(PATH, body)
    assert exporter.polled() == expected(None)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500, 503])
def test_refusals(cloudflare: Cloudflare, exporter: Exporter, status: int) -> None:
    """After a refusal, such as a missing permission, the exporter neither retries nor fails the poll."""
    cloudflare.says(PATH, '{"success": false, "errors": [{"code": 10000}]}', status)
    assert exporter.polled() == expected(None)
    assert times_asked(cloudflare) == 1
    assert exporter.clock.slept == []


def test_log_of_a_failure(cloudflare: Cloudflare, exporter: Exporter, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged as one debug line with the reason."""
    cloudflare.says(PATH, "{}", 403)
    caplog.set_level("DEBUG", "access_exporter")
    exporter.poll()
    (record,) = [each for each in caplog.records if each.name == organization.__name__]
    assert (record.levelname, record.getMessage()) == ("DEBUG", "seat expiration unknown")
    assert record.facts == {"account_id": "023e105f4ecef8ad9ca31a8372d0c353", "reason": "permission"}  # type: ignore[attr-defined]  # the logger puts it there


class TestSchedule:
    def test_beside_the_users(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """The organization is requested even if the poll of users fails, in one request."""
        says(cloudflare, "730h")
        cloudflare.says("users", "<html>")
        assert "seat_expiration_seconds{" in exporter.polled()
        cloudflare.lists("users")
        assert exporter.polled() == expected("2.628e+06", errors_invalid_response=1)
        assert times_asked(cloudflare) == 1

    def test_few_remaining_requests(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """If few requests remain, users are shown at once, and the organization is requested at a later poll."""
        cloudflare.lists("users")
        cloudflare.headers["Ratelimit"] = '"default";r=0;t=50'
        assert exporter.polled() == expected(None)
        assert times_asked(cloudflare) == 0
        assert exporter.clock.slept == []

    def test_once_an_hour(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """The organization is requested once an hour; polls in between show the known value."""
        says(cloudflare, "730h")
        exporter.poll()
        says(cloudflare, "1460h")
        for _ in range(11):
            exporter.clock.now += 300
            exporter.poll()
        assert exporter.page() == expected("2.628e+06", last_success="1.7900033e+09")
        assert times_asked(cloudflare) == 1
        exporter.clock.now += 300
        assert exporter.polled() == expected("5.256e+06", last_success="1.7900036e+09")
        assert times_asked(cloudflare) == 2

    def test_after_a_refusal(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """After a refusal, the exporter asks again at the next poll instead of after an hour."""
        cloudflare.says(PATH, "{}", 403)
        for _ in range(3):
            exporter.poll()
            exporter.clock.now += 300
        assert times_asked(cloudflare) == 3
        says(cloudflare, "730h")
        assert exporter.polled() == expected("2.628e+06", last_success="1.7900009e+09")
        exporter.clock.now += 300
        cloudflare.says(PATH, "{}", 403)
        assert exporter.polled() == expected("2.628e+06", last_success="1.7900012e+09")

    def test_a_clock_that_is_set_back(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """If the clock is set back, the exporter asks again at the next poll."""
        says(cloudflare, "730h")
        exporter.poll()
        exporter.clock.now -= HOUR
        exporter.poll()
        assert times_asked(cloudflare) == 2

    @pytest.mark.parametrize("body", ["<html>", "{}", answer([]), answer({"user_seat_expiration_inactive_time": 7})])
    def test_later_invalid_response(self, cloudflare: Cloudflare, exporter: Exporter, body: Body) -> None:
        """After an invalid response, the known value stays until it is stale, and each poll asks again."""
        says(cloudflare, "730h")
        exporter.poll()
        cloudflare.says(PATH, body)
        exporter.clock.now += HOUR
        for _ in range(6):
            assert "seat_expiration_seconds{" in exporter.polled()
            exporter.clock.now += 300
        exporter.clock.now += 1
        assert "seat_expiration_seconds{" not in exporter.polled()
        assert times_asked(cloudflare) == 8

    @pytest.mark.parametrize(("status", "stays"), [(500, True), (503, True), (429, True), (403, False), (404, False)])
    def test_later_failure(self, cloudflare: Cloudflare, exporter: Exporter, status: int, stays: bool) -> None:
        """A temporary failure keeps the known value; any other failure removes it until the next good response."""
        says(cloudflare, "730h")
        exporter.poll()
        cloudflare.says(PATH, "{}", status)
        exporter.clock.now += HOUR
        assert exporter.polled() == expected("2.628e+06" if stays else None, last_success="1.7900036e+09")
        says(cloudflare, "1460h")
        exporter.clock.now += HOUR
        assert exporter.polled() == expected("5.256e+06", last_success="1.7900072e+09")

    def test_a_setting_that_is_switched_off(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """If the seat expiration is switched off, it disappears within an hour."""
        says(cloudflare, "730h")
        exporter.poll()
        says(cloudflare, None)
        exporter.clock.now += HOUR
        assert exporter.polled() == expected(None, last_success="1.7900036e+09")


@pytest.mark.parametrize(("ahead", "shown"), [(0, True), (HOUR, False)])
def test_after_a_restart(cloudflare: Cloudflare, tmp_path: Path, ahead: float, shown: bool) -> None:
    """The known value survives a restart, but not if its time is in the future."""
    says(cloudflare, "730h")
    cloudflare.lists("users")
    account = Account(id=ACCOUNT_ID, api_token=Secret("the test", "a-token"), devices=False)
    config = Config(api=API, accounts=(account,))
    Fleet(config, FakeClock(START + ahead), folder=tmp_path).poll()
    assert ("seat_expiration_seconds{" in Fleet(config, FakeClock(START), folder=tmp_path).page()) is shown
