"""The dashboard Policies, for people who write policies."""

from deploy.grafana.dashboard import POLICIES, Row, dashboard
from deploy.grafana.panels import Json, areas, bars, fixed, query, timeseries, words
from deploy.grafana.policy_numbers import policy_numbers
from deploy.grafana.queries import ACCOUNT, named, of_account, of_test, policies_of
from deploy.grafana.tables import Column, link, linked, listing, stacks, table
from deploy.grafana.thresholds import ALERTS, GREEN, NEWLY_BLOCKED, RED, REFRESHES, SOME, YELLOW
from deploy.grafana.variables import COMMON, POLICY_TEST

RESULTS = of_test("cloudflare_access_policy_test_users", "status")
APPROVED, BLOCKED, IN_ERROR = (
    of_test("cloudflare_access_policy_test_users", matchers=f'status="{status}"')
    for status in ("approved", "blocked", "error")
)
BLOCKED_SHARE = f"({BLOCKED}\n/\n(sum by (job, account_id, policy_test) ({RESULTS}) > 0))"
NEWLY_APPROVED, NEWLY_BLOCKED_USERS, NEWLY_IN_ERROR = (
    of_test("cloudflare_access_policy_test_changed_users", matchers=f'change="{change}"')
    for change in ("newly_approved", "newly_blocked", "newly_error")
)
AGE = f"(time() - {of_test('cloudflare_access_policy_test_finished_timestamp_seconds')})"
AGE_IN_REFRESHES = f"({AGE}\n/ {of_test('cloudflare_access_policy_test_refresh_interval_seconds')})"
UNFINISHED = f"({of_test('cloudflare_access_policy_test_processed_ratio')} < 1)"
POLLED = (
    "max by (job, account_id, policy_test) (label_join("
    f'cloudflare_access_poll_success{{{ACCOUNT}, collector="policy_tests", target=~"$policy_test"}}'
    ', "policy_test", "", "target"))'
)
EACH_TEST = "{{account_name}}: {{policy_test}}"
THIS_ACCOUNT = linked("Account", link("Policies of this account only", POLICIES, "account"))


def each_policy() -> Row:
    """Return the row with a table of the last test of each policy."""
    columns = {
        "Approved": Column(named(APPROVED)),
        "Blocked": Column(named(BLOCKED)),
        "In error": Column(named(IN_ERROR), steps=SOME),
        "Blocked share": Column(named(BLOCKED_SHARE), "percentunit"),
        "Newly blocked": Column(named(NEWLY_BLOCKED_USERS), steps=NEWLY_BLOCKED),
        "Newly approved": Column(named(NEWLY_APPROVED)),
        "Newly in error": Column(named(NEWLY_IN_ERROR), steps=SOME),
        "Age": Column(named(AGE), "s"),
        "Age in refreshes": Column(named(AGE_IN_REFRESHES), steps=REFRESHES, decimals=1),
        "Last poll": Column(named(POLLED), mappings=words((0, "failed", RED), (1, "good", GREEN))),
    }
    panel = table(
        "Policy tests",
        "The last finished test of each policy or application. Tests that newly block the most users come first. Only "
        "tests that the exporter starts have changes and an age in refresh intervals. Select a name to see only one.",
        {"account_name": "Account", "policy_test": "Policy test"},
        columns,
        options={"sortBy": [{"displayName": "Newly blocked", "desc": True}]},
        overrides=[
            THIS_ACCOUNT,
            linked("Policy test", link("This policy test only", POLICIES, "policy_test", "account")),
        ],
        alert="CloudflareAccessPolicyNewlyBlocks",
    )
    return Row("Each policy", 15, [panel])


def tests() -> Row:
    """Return the row with the results, ages and progress of the last tests."""
    panels = [
        stacks(
            "Users by result",
            "Users in the last finished test of each policy or application.",
            ("policy_test", "Policy test"),
            {"Approved": (APPROVED, GREEN), "Blocked": (BLOCKED, RED), "In error": (IN_ERROR, YELLOW)},
            alert="CloudflareAccessPolicyTestErrors",
        ),
        bars(
            "Age of the last test",
            "Age in refresh intervals. The next test is due at 1. An alert fires above "
            f"{ALERTS['policy_test_overdue_ratio']:g}.",
            named(AGE_IN_REFRESHES),
            "{{policy_test}}",
            decimals=1,
            steps=REFRESHES,
            alert="CloudflareAccessPolicyTestOverdue",
        ),
        bars(
            "Unfinished tests",
            "Tests that still run or have exceeded their time, with the share of the users that are processed.",
            named(UNFINISHED),
            "{{policy_test}}",
            unit="percentunit",
            max=1,
            steps=((None, YELLOW),),
            alert="CloudflareAccessPolicyTestUnfinished",
        ),
    ]
    return Row("Results and tests", 11, panels)


def over_time() -> Row:
    """Return the row with the changes of results over time."""
    tested = of_account("cloudflare_access_discovered_policy_tests")
    untested = of_account("cloudflare_access_undiscovered_applications", "reason")
    panels = [
        timeseries(
            "Blocked share",
            "Share of the users that a policy blocks. An alert fires when it grows by "
            f"{ALERTS['policy_blocks_more_points']:g} percentage points within a day.",
            query(named(BLOCKED_SHARE), EACH_TEST),
            unit="percentunit",
            max=1,
            alert="CloudflareAccessPolicyBlocksMore",
        ),
        timeseries(
            "Users newly blocked",
            "Users that a finished test blocks, but the previous test did not. An alert fires from "
            f"{ALERTS['policy_newly_blocked_users']:g} users.",
            query(named(NEWLY_BLOCKED_USERS), EACH_TEST),
            alert="CloudflareAccessPolicyNewlyBlocks",
        ),
        timeseries(
            "Users newly approved",
            "Users that a finished test approves, but the previous test did not.",
            query(named(NEWLY_APPROVED), EACH_TEST),
        ),
        areas(
            "Applications",
            "Applications with a policy test, and applications without one by reason: above the limit, excluded, or no "
            "policy that evaluates people.",
            query(f"sum({tested})", "tested"),
            query(f"sum by (reason) ({untested})", "not tested: {{reason}}"),
            alert="CloudflareAccessDiscoveryIncomplete",
            overrides=[fixed("/^tested$/", GREEN), fixed("/: limit$/", RED)],
        ),
    ]
    return Row("Over time", 9, panels, most_in_a_line=2)


def applications() -> Row:
    """Return the row with the applications and their policies."""
    untested = of_account(
        "cloudflare_access_undiscovered_application_info", "application", "application_id", "type", "reason"
    )
    panels = [
        listing(
            "Applications without a policy test",
            "limit: above the limit of discovered tests; excluded: match or exclude leaves the application out, or a "
            "configured test has its name; no_policies: no policy evaluates people.",
            {"account_name": "Account", "application": "Application", "type": "Type", "reason": "Reason"},
            named(untested),
            overrides=[THIS_ACCOUNT],
            alert="CloudflareAccessDiscoveryIncomplete",
        ),
        table(
            "Policies of each application",
            "Policies by decision. Without policies, no one can open an application. A bypass policy admits people "
            "without a login. A service auth policy (non_identity) admits machines.",
            {"account_name": "Account", "application": "Application"},
            {
                "Allow": Column(named(policies_of("allow"))),
                "Deny": Column(named(policies_of("deny"))),
                "Bypass": Column(named(policies_of("bypass")), steps=SOME),
                "Service auth": Column(named(policies_of("non_identity"))),
                "All": Column(named(policies_of(".+")), steps=((None, RED), (1, GREEN))),
            },
            options={"sortBy": [{"displayName": "Bypass", "desc": True}]},
            overrides=[THIS_ACCOUNT],
            alert="CloudflareAccessApplicationBypassed",
        ),
    ]
    return Row("Applications", 11, panels)


def policies() -> Json:
    """Return the dashboard."""
    return dashboard(
        POLICIES,
        "Cloudflare Access / Policies",
        [*COMMON, POLICY_TEST],
        [Row("Now", 5, policy_numbers()), each_policy(), tests(), over_time(), applications()],
    )
