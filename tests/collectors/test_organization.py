"""Answers of "Get your Zero Trust organization" in, the whole exposition of an account without users out."""

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
    """Answer with this as the time after which seats expire."""
    settings = {"name": "Widget Corps Internal Applications", "auth_domain": "test.cloudflareaccess.com"}
    cloudflare.says(PATH, answer({**settings, "user_seat_expiration_inactive_time": expiration}))


def expected(expiration: float | str | None, **values: float | str | None) -> str:
    """The exposition of an account without users whose seats expire after so many seconds."""
    return page_of("users", seats_limit=50, announced=None, seat_expiration=expiration, last_login=None, **values)


def times_asked(cloudflare: Cloudflare) -> int:
    """Return how often the organization was asked for."""
    return [path for path, _ in cloudflare.asked].count(PATH)


@pytest.fixture
def exporter(cloudflare: Cloudflare) -> Exporter:
    """An exporter of an account without users."""
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
    """The setting is shown in seconds, however Go writes the duration."""
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
def test_no_duration(cloudflare: Cloudflare, exporter: Exporter, value: object) -> None:
    """A setting that is missing, nothing or no duration is not known, and disturbs nothing."""
    says(cloudflare, value)
    assert exporter.polled() == expected(None)


@pytest.mark.parametrize("body", ['{"success": true, "result": {}}', answer([]), "<html>", b"\xff", answer(None), "[]"])
def test_odd_answers(cloudflare: Cloudflare, exporter: Exporter, body: Body) -> None:
    """An answer that is not as documented tells nothing, and disturbs nothing."""
    cloudflare.says(PATH, body)
    assert exporter.polled() == expected(None)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500, 503])
def test_refusals(cloudflare: Cloudflare, exporter: Exporter, status: int) -> None:
    """A refusal, as of a missing permission, is silent, and is asked for once and no more."""
    cloudflare.says(PATH, '{"success": false, "errors": [{"code": 10000}]}', status)
    assert exporter.polled() == expected(None)
    assert times_asked(cloudflare) == 1
    assert exporter.clock.slept == []


def test_silence(cloudflare: Cloudflare, exporter: Exporter, caplog: pytest.LogCaptureFixture) -> None:
    """What a failure leaves in the log is a line for those who debug, with the reason alone."""
    cloudflare.says(PATH, "{}", 403)
    caplog.set_level("DEBUG", "access_exporter")
    exporter.poll()
    (record,) = [each for each in caplog.records if each.name == organization.__name__]
    assert (record.levelname, record.getMessage()) == ("DEBUG", "seat expiration unknown")
    assert record.facts == {"account_id": "023e105f4ecef8ad9ca31a8372d0c353", "reason": "permission"}  # type: ignore[attr-defined]  # the logger puts it there


class TestWhen:
    def test_beside_the_users(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """The organization is asked whatever becomes of the users, in one request that they do not wait for."""
        says(cloudflare, "730h")
        cloudflare.says("users", "<html>")
        assert "seat_expiration_seconds{" in exporter.polled()
        cloudflare.lists("users")
        assert exporter.polled() == expected("2.628e+06", errors_invalid_response=1)
        assert times_asked(cloudflare) == 1

    def test_little_left(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """Where hardly a request is left, users are published at once, and the organization is asked another time."""
        cloudflare.lists("users")
        cloudflare.headers["Ratelimit"] = '"default";r=0;t=50'
        assert exporter.polled() == expected(None)
        assert times_asked(cloudflare) == 0
        assert exporter.clock.slept == []

    def test_once_an_hour(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """Polls within an hour show what is known, and the first one after it asks again."""
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
        """A refusal is not believed for an hour: a new token is refused now and then."""
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
        """A question that lies in the future is no reason not to ask."""
        says(cloudflare, "730h")
        exporter.poll()
        exporter.clock.now -= HOUR
        exporter.poll()
        assert times_asked(cloudflare) == 2

    @pytest.mark.parametrize("body", ["<html>", "{}", answer([]), answer({"user_seat_expiration_inactive_time": 7})])
    def test_a_fault_later(self, cloudflare: Cloudflare, exporter: Exporter, body: Body) -> None:
        """What is no answer leaves what was known for as long as numbers live, and is asked for again at each poll."""
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
    def test_a_failure_later(self, cloudflare: Cloudflare, exporter: Exporter, status: int, stays: bool) -> None:
        """A failure that may pass leaves what was known, any other one takes it away; the next answer is as good."""
        says(cloudflare, "730h")
        exporter.poll()
        cloudflare.says(PATH, "{}", status)
        exporter.clock.now += HOUR
        assert exporter.polled() == expected("2.628e+06" if stays else None, last_success="1.7900036e+09")
        says(cloudflare, "1460h")
        exporter.clock.now += HOUR
        assert exporter.polled() == expected("5.256e+06", last_success="1.7900072e+09")

    def test_a_setting_that_is_switched_off(self, cloudflare: Cloudflare, exporter: Exporter) -> None:
        """Seats that no longer expire are shown as such within the hour."""
        says(cloudflare, "730h")
        exporter.poll()
        says(cloudflare, None)
        exporter.clock.now += HOUR
        assert exporter.polled() == expected(None, last_success="1.7900036e+09")


@pytest.mark.parametrize(("ahead", "shown"), [(0, True), (HOUR, False)])
def test_after_a_restart(cloudflare: Cloudflare, tmp_path: Path, ahead: float, shown: bool) -> None:
    """What is known outlives the process, but not where it is dated in the future: nobody knows how old that is."""
    says(cloudflare, "730h")
    cloudflare.lists("users")
    account = Account(id=ACCOUNT_ID, api_token=Secret("the test", "a-token"), devices=False)
    config = Config(api=API, accounts=(account,))
    Fleet(config, FakeClock(START + ahead), folder=tmp_path).poll()
    assert ("seat_expiration_seconds{" in Fleet(config, FakeClock(START), folder=tmp_path).page()) is shown
