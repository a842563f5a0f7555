"""The thresholds at which panels change their colour; most of them come from deploy/rules/thresholds.yaml."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, TypeAlias

import yaml

# The lowest value of each colour; None for the first colour.
Steps: TypeAlias = Sequence[tuple[float | None, str]]

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


class Threshold(float):
    """A number that compares like its default, but appears in a text as the placeholder ${name}."""

    def __new__(cls, name: str, default: float) -> Self:
        """Create a threshold from its name and its default."""
        self = super().__new__(cls, default)
        self.placeholder = f"${{{name}}}"
        return self

    placeholder: str

    def __format__(self, _: str) -> str:
        """Return the placeholder ${name}."""
        return self.placeholder


_FILE = Path(__file__).resolve().parents[1] / "rules" / "thresholds.yaml"
DEFAULTS: dict[str, float] = {
    name: threshold["default"] for name, threshold in yaml.safe_load(_FILE.read_text(encoding="utf-8")).items()
}
ALERTS = {name: Threshold(name, default) for name, default in DEFAULTS.items()}

PLAIN: Steps = ((None, BLUE),)
SEATS: Steps = (
    (None, GREEN),
    (ALERTS["seats_used_warning_ratio"], YELLOW),
    (ALERTS["seats_used_critical_ratio"], RED),
)
IDLE: Steps = ((None, GREEN), (ALERTS["seats_idle_ratio"], YELLOW))
DAYS_UNTIL_FULL: Steps = ((None, RED), (ALERTS["seats_run_out_days"], YELLOW), (30, GREEN))
CREDENTIAL_EXPIRY: Steps = ((None, RED), (0, YELLOW), (ALERTS["credential_expiry_days"], GREEN))
SERVICE_TOKEN_EXPIRY: Steps = ((None, RED), (0, YELLOW), (ALERTS["service_token_expiry_days"], GREEN))
NEWLY_BLOCKED: Steps = ((None, GREEN), (ALERTS["policy_newly_blocked_users"], RED))
SOME: Steps = ((None, GREEN), (1, YELLOW))
FAILING: Steps = ((None, GREEN), (1, RED))
REFRESHES: Steps = ((None, GREEN), (ALERTS["policy_test_overdue_ratio"], YELLOW))
INTERVALS: Steps = (
    (None, GREEN),
    (ALERTS["poll_failing_intervals"], YELLOW),
    (ALERTS["data_stale_intervals"], RED),
)
