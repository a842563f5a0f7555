import pytest

from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Users
from tests.config.refusals import refusal
from tests.config_files import api, load, only_account, policy_tests, users

pytestmark = pytest.mark.usefixtures("secret_files")


class TestGoodFiles:
    @pytest.mark.parametrize(
        ("written", "seconds"),
        [
            ("90s", 90),
            ("5m", 300),
            ("2h", 7200),
            ("1d", 86400),
            ("365d", 31_536_000),
            ("1h30m", 5400),
            ("1.5m", 90),
            ("1d2h3m4s500ms", 93784.5),
            ("45", 45),
            ("12.5", 12.5),
            ("10", 10),
            ("10000ms", 10),
            ("'60'", 60),
            ("'12.5'", 12.5),
            ("' 5m '", 300),
        ],
    )
    def test_durations(self, written: str, seconds: float) -> None:
        """A duration is a number with a unit, several such numbers, or a number of seconds."""
        found = only_account(users(f"interval: {written}", f"stale_after: {written}")).users_config
        assert found == Users(interval=Interval(seconds), stale_after=Duration(seconds))
        assert load(api(f"timeout: {written}")).api.timeout == seconds

    def test_short_durations(self) -> None:
        """The minimum of ten seconds applies only to intervals, not to other durations."""
        assert load(api("timeout: 1ms")).api.timeout == 0.001
        assert only_account(users("stale_after: 0.5")).users_config == Users(stale_after=Duration(0.5))

    def test_durations_from_variables(self) -> None:
        """An environment variable can contain a duration."""
        assert only_account(users("interval: ${SEATS}")).users_config == Users(interval=Interval(50))


DURATION = "expected a duration from 1ms to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"
INTERVAL = "expected a duration from 10s to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"

TOO_SHORT = ("9s", "9", "9.999", '"9"', '"5"', "0s", "500ms")  # too short for an interval, but not for other durations
NO_DURATION = (
    *("0", "'0'", "-60", "-5m", "true", ".inf", "-.inf", ".nan", "'nan'", "''", "m", "1e3", "5M", "5 m"),
    *("1.5.2s", "366d", "1w", "9" * 400, "9" * 400 + "s", "0x" + "f" * 5000, "[60]", "{s: 60}", "2026-01-31", "ten"),
)


class TestBadFiles:
    @pytest.mark.parametrize("value", [*TOO_SHORT, *NO_DURATION])
    def test_intervals(self, value: str) -> None:
        """An interval that is under ten seconds, infinite or malformed is an error in every key with an interval."""
        assert refusal(users(f"interval: {value}")) == f"config.yaml: accounts[0].users.interval: {INTERVAL}"
        test = policy_tests(f"{{id: a, interval: {value}}}")
        assert refusal(test) == f"config.yaml: accounts[0].policy_tests[0].interval: {INTERVAL}"
        test = policy_tests(f"{{name: a, policies: [b], refresh: {value}}}")
        assert refusal(test) == f"config.yaml: accounts[0].policy_tests[0].refresh: {INTERVAL}"

    @pytest.mark.parametrize("value", NO_DURATION)
    def test_durations(self, value: str) -> None:
        """A duration that is zero, infinite or malformed is an error in every key with a duration."""
        assert refusal(api(f"timeout: {value}")) == f"config.yaml: api.timeout: {DURATION}"
        assert refusal(users(f"stale_after: {value}")) == f"config.yaml: accounts[0].users.stale_after: {DURATION}"
