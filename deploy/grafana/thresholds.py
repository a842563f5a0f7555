"""Where panels change their colour: at the thresholds of the alerts."""

from collections.abc import Sequence
from typing import TypeAlias

# The value from which on a colour holds; None for the lowest.
Steps: TypeAlias = Sequence[tuple[float | None, str]]

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
ALERTS: dict[str, float] = {
    "credential_expiry_days": 14,
    "data_stale_intervals": 6,
    "policy_blocks_more_points": 5,
    "policy_newly_blocked_users": 5,
    "policy_test_overdue_ratio": 1.5,
    "poll_failing_intervals": 2,
    "seats_idle_ratio": 0.2,
    "seats_run_out_days": 7,
    "seats_used_critical_ratio": 0.9,
    "seats_used_warning_ratio": 0.8,
    "service_token_expiry_days": 14,
}

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
