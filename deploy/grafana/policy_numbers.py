"""Summary numbers of the chosen accounts that show whether a policy needs attention."""

from deploy.grafana.panels import Json, stat
from deploy.grafana.queries import of_account, policies_of
from deploy.grafana.thresholds import ALERTS, NEWLY_BLOCKED, REFRESHES, SOME


def policy_numbers(details: str = "") -> list[Json]:
    """Return the panels; `details` is the uid of the dashboard to link to."""
    return [*_applications(details), *_tests(details)]


def _applications(details: str) -> list[Json]:
    reasons = of_account("cloudflare_access_undiscovered_applications", "reason")
    return [
        stat(
            "Apps with a policy test",
            "Discovered applications that have a policy test.",
            f"sum({of_account('cloudflare_access_discovered_policy_tests')})",
            "tested",
            details=details,
        ),
        stat(
            "Apps without a policy test",
            "limit: above the limit of discovered tests; excluded: match or exclude leaves the application out; "
            "no_policies: no policy evaluates people.",
            f"sum by (reason) ({reasons})",
            "{{reason}}",
            alert="CloudflareAccessDiscoveryIncomplete",
            details=details,
        ),
        stat(
            "Bypass policies",
            "Policies of the selected applications that admit people without a login. A new one fires an alert.",
            f"sum({policies_of('bypass')})",
            "bypass",
            alert="CloudflareAccessApplicationBypassed",
            details=details,
        ),
        stat(
            "Apps without policies",
            "Selected applications that no one can open. Bookmarks do not count. An alert fires when an application "
            "loses its last policy.",
            f"count({policies_of('.+')} == 0) or vector(0)",
            "without policies",
            alert="CloudflareAccessApplicationWithoutPolicies",
            details=details,
        ),
    ]


def _tests(details: str) -> list[Json]:
    blocked = of_account(
        "cloudflare_access_policy_test_changed_users", "policy_test", matchers='change="newly_blocked"'
    )
    failing = of_account("cloudflare_access_policy_test_users", "policy_test", matchers='status="error"')
    finished = of_account("cloudflare_access_policy_test_finished_timestamp_seconds", "policy_test")
    refresh = of_account("cloudflare_access_policy_test_refresh_interval_seconds", "policy_test")
    return [
        stat(
            "Most users newly blocked",
            "The most users that one policy blocks now, but did not block in the previous test. An alert fires from "
            f"{ALERTS['policy_newly_blocked_users']:g} users.",
            f"max({blocked})",
            "newly blocked",
            steps=NEWLY_BLOCKED,
            alert="CloudflareAccessPolicyNewlyBlocks",
            details=details,
        ),
        stat(
            "Policies with errors",
            "Policies that Cloudflare cannot evaluate for some users.",
            f"count({failing} > 0) or vector(0)",
            "with errors",
            steps=SOME,
            alert="CloudflareAccessPolicyTestErrors",
            details=details,
        ),
        stat(
            "Age of the oldest test",
            "Age in refresh intervals. The next test is due at 1. An alert fires above "
            f"{ALERTS['policy_test_overdue_ratio']:g}.",
            f"max((time() - {finished}) / {refresh})",
            "oldest",
            decimals=1,
            steps=REFRESHES,
            alert="CloudflareAccessPolicyTestOverdue",
            details=details,
        ),
    ]
