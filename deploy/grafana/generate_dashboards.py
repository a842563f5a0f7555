"""Writes the dashboards beside it from the panels below: python deploy/grafana/generate_dashboards.py.

Queries aggregate away what names an instance, so that an account looks the same whichever exporter polls it, and show
accounts by name. Thresholds are those of deploy/prometheus/alerts.yaml.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = dict[str, Any]

FOLDER = Path(__file__).resolve().parent / "dashboards"
PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
RUNBOOK = f"{PROJECT['urls']['Homepage']}/blob/main/docs/runbook.md"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
JOB = 'job=~"$job"'
ACCOUNT = f'{JOB}, account_id=~"$account"'
BY_TARGET = "account_id, collector, target"

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
SEATS = ((None, GREEN), (0.8, YELLOW), (0.9, RED))
IDLE = ((None, GREEN), (0.2, YELLOW))
PLAIN: tuple[tuple[float | None, str], ...] = ((None, BLUE),)
LOCKED_OUT = ((None, GREEN), (5, RED))
ERRORS = ((None, GREEN), (1, YELLOW))
REFRESHES = ((None, GREEN), (1.5, YELLOW))
POLICIES = "cloudflare-access-policies"  # the uid of that dashboard


# Queries


def of_account(metric: str, *labels: str, matchers: str = "") -> str:
    """Return a metric of accounts, by these labels beside the account."""
    selector = ", ".join(filter(None, (ACCOUNT, matchers)))
    return f"max by ({', '.join(('job', 'account_id', *labels))}) ({metric}{{{selector}}})"


def of_test(metric: str, *labels: str, matchers: str = "") -> str:
    """Return a metric of the chosen policy tests, by these labels beside the account and the test."""
    chosen = ", ".join(filter(None, ('policy_test=~"$policy_test"', matchers)))
    return of_account(metric, "policy_test", *labels, matchers=chosen)


def named(expression: str) -> str:
    """Return an expression by account with the account's name as a label."""
    info = of_account("cloudflare_access_account_info", "account_name")
    return f"{expression}\n* on (job, account_id) group_left (account_name)\n{info}"


def rate(metric: str, labels: str) -> str:
    """Return how fast a counter of the exporter itself grows a second, by these labels."""
    return f"sum by ({labels}) (rate({metric}{{{JOB}}}[$__rate_interval]))"


USED = of_account("cloudflare_access_seats_used")
LIMIT = of_account("cloudflare_access_seats_limit")
IDLE_SEATS = of_account("cloudflare_access_seats_idle", "idle_days")
UNKNOWN_SEATS = of_account("cloudflare_access_seats_activity_unknown", "idle_days")
# The change of the last seven days, or of as many as there are: unlike a slope, it is no wild guess in the first hours.
# Of the recorded series, which goes on where an account moves to another instance.
CHANGE = f"delta(account:cloudflare_access_seats_used:max{{{ACCOUNT}}}[7d])"
# Flat and falling lines get the longest answer, not an infinite one.
DAYS_UNTIL_FULL = f"clamp(7 * ({LIMIT} - {USED}) / clamp_min({CHANGE}, 0.01), 0, 365)"
IN_A_WEEK = f"clamp_min(round({USED} + {CHANGE}), 0)"
RESULTS = of_test("cloudflare_access_policy_test_users", "status")
APPROVED, BLOCKED, IN_ERROR = (
    of_test("cloudflare_access_policy_test_users", matchers=f'status="{status}"')
    for status in ("approved", "blocked", "error")
)
BLOCKED_SHARE = f"{BLOCKED}\n/\n(sum by (job, account_id, policy_test) ({RESULTS}) > 0)"
NEWLY_APPROVED, NEWLY_BLOCKED, NEWLY_IN_ERROR = (
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


def policies_of(*decisions: str) -> str:
    """Return how many policies of these decisions each application has; a bookmark is never asked for any."""
    labels = ("application", "application_id")
    matchers = f'decision=~"{"|".join(decisions)}"'
    policies = of_account("cloudflare_access_application_policies", *labels, "decision", matchers=matchers)
    bookmarks = of_account("cloudflare_access_undiscovered_application_info", *labels, matchers='type="bookmark"')
    return (
        f"(sum by (job, account_id, {', '.join(labels)}) ({policies})\n"
        f"unless on (job, account_id, application_id)\n{bookmarks})"
    )


# Panels: each has a place in a grid of 24 columns, given row by row in `dashboard`


def query(expression: str, legend: str = "{{account_name}}", *, instant: bool = False, form: str = "") -> Json:
    """Return a query; `legend` is Grafana's pattern over the labels of a series."""
    return {
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend,
        "instant": instant,
        "range": not instant,
    } | ({"format": form} if form else {})


def panel(
    kind: str,
    title: str,
    description: str,
    queries: Sequence[Json],
    *,
    unit: str = "short",
    steps: Iterable[tuple[float | None, str]] = PLAIN,
    alert: str = "",
    to: str = "",
    custom: Json | None = None,
    options: Json | None = None,
    **more: Any,
) -> Json:
    """Return a panel; `more` goes beside the defaults of fields.

    `alert` links to the runbook's page of that alert, and `to` to the dashboard of that uid.
    """
    defaults = {
        "unit": unit,
        "color": {"mode": "palette-classic" if kind in ("timeseries", "barchart") else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in steps],
        },
        "custom": custom or {},
        "mappings": [],
    }
    overrides = more.pop("overrides", [])
    extra = {name: more.pop(name) for name in ("transformations",) if name in more}
    links = [{"title": f"Runbook: {alert}", "url": f"{RUNBOOK}#{alert.lower()}", "targetBlank": True}] if alert else []
    links += [{"title": "Details", "url": f"/d/{to}?${{__url_time_range}}&${{__all_variables}}"}] if to else []
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [query | {"refId": chr(ord("A") + number)} for number, query in enumerate(queries)],
        "fieldConfig": {"defaults": defaults | more, "overrides": overrides},
        "options": options or {},
        "links": links,
        **extra,
    }


def stat(title: str, description: str, expression: str, legend: str = "{{account_name}}", **more: Any) -> Json:
    """Return a panel of one number per series."""
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options = {"reduceOptions": reduce, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
    return panel("stat", title, description, [query(expression, legend)], options=options, **more)


def timeseries(title: str, description: str, *queries: Json, stacked: bool = False, **more: Any) -> Json:
    """Return a panel of lines, or of a stack of areas."""
    custom: Json = {"lineWidth": 2, "fillOpacity": 40 if stacked else 8, "showPoints": "never", "spanNulls": 600_000}
    custom |= {"stacking": {"mode": "normal" if stacked else "none", "group": "A"}}
    if more.pop("lines", False):
        custom["thresholdsStyle"] = {"mode": "dashed"}
    order = {"sortBy": "Last *", "sortDesc": True}
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]} | order,
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, custom=custom, options=options, **more)


def bars(title: str, description: str, expression: str, legend: str, **more: Any) -> Json:
    """Return a panel of horizontal bars, one per series that there is now, whatever there was before."""
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options = {"reduceOptions": reduce, "orientation": "horizontal", "displayMode": "gradient", "showUnfilled": True}
    queries = [query(expression, legend, instant=True)]
    return panel("bargauge", title, description, queries, options=options, min=0, **more)


class Column(NamedTuple):
    """A column of a table: numbers by the labels of its rows, their unit, and where they have a colour."""

    expression: str
    unit: str = "short"
    steps: Sequence[tuple[float | None, str]] = ()
    mappings: Sequence[Json] = ()

    def properties(self) -> list[Json]:
        """Return what overrides the defaults of the panel."""
        found: list[Json] = [{"id": "unit", "value": self.unit}]
        if self.steps or self.mappings:
            found.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        if self.steps:
            steps = [{"value": value, "color": color} for value, color in self.steps]
            found.append({"id": "thresholds", "value": {"mode": "absolute", "steps": steps}})
        if self.mappings:
            found.append({"id": "mappings", "value": list(self.mappings)})
        return found


def table(title: str, description: str, keys: dict[str, str], columns: dict[str, Column], **more: Any) -> Json:
    """Return a table with a row for each combination of labels; `keys` are their titles, `columns` are by title."""
    overrides = [
        {"matcher": {"id": "byName", "options": title}, "properties": column.properties()}
        for title, column in columns.items()
    ]
    expressions = [column.expression for column in columns.values()]
    return panel("table", title, description, **_merged(keys, list(columns), expressions), overrides=overrides, **more)


def listing(title: str, description: str, keys: dict[str, str], expression: str, **more: Any) -> Json:
    """Return a table of labels alone, without numbers; `keys` are their titles."""
    return panel("table", title, description, **_merged(keys, [], [expression]), **more)


def stacks(
    title: str, description: str, key: tuple[str, str], columns: dict[str, tuple[str, str]], **more: Any
) -> Json:
    """Return a panel with a bar for each value of a label; its parts are expressions and colours by title."""
    label, heading = key
    options = {
        "orientation": "horizontal",
        "xField": heading,
        "stacking": "normal",
        "showValue": "auto",
        "barWidth": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    expressions = [expression for expression, _ in columns.values()]
    overrides = [fixed(f"/^{part}$/", color) for part, (_, color) in columns.items()]
    merged = _merged({label: heading}, list(columns), expressions)
    return panel("barchart", title, description, **merged, options=options, overrides=overrides, **more)


def _merged(keys: dict[str, str], titles: Sequence[str], expressions: Sequence[str]) -> Json:
    """Return the queries of a table, and how their answers become one: rows by labels, and a column for each title."""
    names = [f"Value #{chr(ord('A') + number)}" for number in range(len(titles))]
    kept = [*keys, *names]
    return {
        "queries": [query(expression, "", instant=True, form="table") for expression in expressions],
        "transformations": [
            {"id": "filterFieldsByName", "options": {"include": {"names": kept}}},
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "indexByName": {name: number for number, name in enumerate(kept)},
                    "renameByName": keys | dict(zip(names, titles, strict=True)),
                },
            },
        ],
    }


def words(*pairs: tuple[float, str, str]) -> list[Json]:
    """Return a mapping from numbers to words in a colour."""
    options = {f"{value:g}": {"text": text, "color": color} for value, text, color in pairs}
    return [{"type": "value", "options": options}]


def fixed(series: str, color: str) -> Json:
    """Return an override that gives series, matched by a regular expression, a fixed colour."""
    return {
        "matcher": {"id": "byRegexp", "options": series},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }


# Dashboards


def variable(name: str, label: str, **more: Any) -> Json:
    """Return a variable that stands at the top of a dashboard."""
    return {"name": name, "label": label, "hide": 0, "skipUrlSync": False, **more}


def choice(name: str, label: str, expression: str, regex: str = "") -> Json:
    """Return a variable whose values Prometheus knows; any number of them, by default all."""
    return variable(
        name,
        label,
        type="query",
        datasource=DATASOURCE,
        query={"query": expression, "refId": name},
        definition=expression,
        regex=regex,
        multi=True,
        includeAll=True,
        allValue=".+",
        current={"text": ["All"], "value": ["$__all"]},
        refresh=2,
        sort=1,
    )


DATASOURCE_VARIABLE = variable("datasource", "Data source", type="datasource", query="prometheus", refresh=1)
JOB_VARIABLE = choice("job", "Job", "label_values(cloudflare_access_exporter_build_info, job)")
ACCOUNT_VARIABLE = choice(
    "account",
    "Account",
    f"query_result(cloudflare_access_account_info{{{JOB}}})",
    '/account_id="(?<value>[^"]+)".*account_name="(?<text>[^"]+)"/',
)
POLICY_TEST_VARIABLE = choice(
    "policy_test",
    "Policy test",
    f'label_values(cloudflare_access_poll_success{{{ACCOUNT}, collector="policy_tests"}}, target)',
)
PRICE_VARIABLE = variable(
    "price", "Price of a seat per month", type="textbox", query="7", current={"text": "7", "value": "7"}
)


def dashboard(uid: str, title: str, variables: Sequence[Json], rows: dict[str, tuple[int, Sequence[Json]]]) -> Json:
    """Return a dashboard; `rows` are, by their headings, the height of their panels and the panels side by side."""
    panels: list[Json] = []
    top = 0
    for heading, (height, members) in rows.items():
        panels.append(
            {"type": "row", "title": heading, "collapsed": False, "panels": [], "gridPos": _place(0, top, 24, 1)}
        )
        edges = [24 * number // len(members) for number in range(len(members) + 1)]
        for member, left, right in zip(members, edges, edges[1:], strict=False):
            panels.append(member | {"gridPos": _place(left, top + 1, right - left, height)})
        top += 1 + height
    numbered = [panel | {"id": number} for number, panel in enumerate(panels, start=1)]
    return {
        "uid": uid,
        "title": title,
        "tags": ["cloudflare-access"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "schemaVersion": 39,
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "tags": ["cloudflare-access"],
                "title": "Cloudflare Access",
                "keepTime": True,
                "includeVars": True,
                "asDropdown": False,
            },
            {"type": "link", "title": "Runbook", "url": RUNBOOK, "icon": "doc", "targetBlank": True},
        ],
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "panels": numbered,
    }


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


def overview() -> Json:
    """Return what an account's owner wants to know."""
    seats = [
        stat("Seats used", "Users who hold a seat of either product: what is billed.", named(USED)),
        panel(
            "gauge",
            "Seats used of limit",
            "Of the seats in seat_limit; absent for an account without one. Yellow and red are where the alerts begin.",
            [query(named(f"{USED} / {LIMIT}"))],
            unit="percentunit",
            steps=SEATS,
            min=0,
            max=1,
            alert="CloudflareAccessSeatsNearLimit",
            options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
        ),
        stat(
            "Days until full",
            "If seats go on as in the last seven days. Flat and falling lines show a year or more.",
            named(DAYS_UNTIL_FULL),
            unit="d",
            decimals=0,
            steps=((None, RED), (7, YELLOW), (30, GREEN)),
            mappings=[{"type": "range", "options": {"from": 365, "to": None, "result": {"text": "a year or more"}}}],
            alert="CloudflareAccessSeatsRunOut",
        ),
        stat(
            "Idle seats",
            "Share of the used seats whose holder showed no activity for so many days: no login, no device seen.",
            named(f"{IDLE_SEATS}\n/ on (job, account_id) group_left ()\n({USED} > 0)"),
            "{{account_name}}, {{idle_days}} days",
            unit="percentunit",
            steps=IDLE,
            alert="CloudflareAccessSeatsIdle",
        ),
        stat(
            "Seats expire after",
            "How long an inactive user keeps a seat; absent where seats never expire "
            "or the token may not read the setting.",
            named(f"{of_account('cloudflare_access_seat_expiration_seconds')} / 86400"),
            unit="d",
            decimals=0,
        ),
        stat(
            "Idle seats cost a month",
            "Idle seats times the price at the top of the page. Seats with unknown activity cost nothing here.",
            named(f"{IDLE_SEATS} * $price"),
            "{{account_name}}, {{idle_days}} days",
            unit="currencyUSD",
            decimals=0,
        ),
    ]
    course = [
        timeseries(
            "Seats",
            "Seats used and their limit, and how many there are in a week if it is like the last.",
            query(named(USED), "{{account_name}}: used"),
            query(named(LIMIT), "{{account_name}}: limit"),
            query(named(IN_A_WEEK), "{{account_name}}: in a week"),
            alert="CloudflareAccessSeatsRunOut",
            min=0,
            overrides=[fixed("/: limit$/", RED), fixed("/: in a week$/", "semi-dark-orange")],
        ),
        timeseries(
            "Idle seats",
            "Seats by the days since their holder's last activity: the later of a login and of the last time a device "
            "was seen. A seat that is idle for 90 days is idle for 30 too.",
            query(named(IDLE_SEATS), "{{account_name}}: {{idle_days}} days"),
            query(named(of_account("cloudflare_access_seats_never_used")), "{{account_name}}: never used"),
            alert="CloudflareAccessSeatsIdle",
            min=0,
        ),
        timeseries(
            "Seats with unknown activity",
            "Seats whose holder has not logged in for so many days but may use a device. They do not count as idle. "
            "To judge them, grant the API token the account permission Zero Trust: Read.",
            query(named(UNKNOWN_SEATS), "{{account_name}}: {{idle_days}} days"),
            alert="CloudflareAccessSeatsIdle",
            min=0,
        ),
    ]
    people = [
        timeseries(
            "People who logged in",
            "Users whose last successful login is that recent.",
            query(named(of_account("cloudflare_access_users_logged_in", "within")), "{{account_name}}: {{within}}"),
            alert="CloudflareAccessNobodyLogsIn",
            min=0,
        ),
        timeseries(
            "People who were active",
            "Users with any activity that recently: a login, or a device that was seen. Absent where the API token "
            "lacks the account permission Zero Trust: Read.",
            query(named(of_account("cloudflare_access_users_active", "within")), "{{account_name}}: {{within}}"),
            min=0,
        ),
        stat(
            "Since the last login",
            "The time since anyone's last successful login.",
            named(f"(time() - {of_account('cloudflare_access_last_login_timestamp_seconds')})"),
            unit="s",
            steps=((None, GREEN), (86400, YELLOW)),
            alert="CloudflareAccessNobodyLogsIn",
        ),
    ]
    users = [
        timeseries(
            "Users by seat",
            "Everyone the account lists, by the seat they hold.",
            query(named(of_account("cloudflare_access_users", "seat")), "{{account_name}}: {{seat}}"),
            stacked=True,
            min=0,
        ),
        bars(
            "Users by devices",
            "Users by their number of active devices.",
            named(of_account("cloudflare_access_users_by_devices", "devices")),
            "{{account_name}}: {{devices}}",
        ),
        bars(
            "Users by e-mail domain",
            "The largest domains by everyone listed, where users.domains asks for them.",
            named(
                f"sum by (job, account_id, domain) ({of_account('cloudflare_access_domain_users', 'domain', 'seat')})"
            ),
            "{{domain}}",
        ),
    ]
    versions = of_account("cloudflare_access_device_client_registrations", "version")
    devices = [
        timeseries(
            "Active devices",
            "Active devices of all users.",
            query(named(of_account("cloudflare_access_active_devices"))),
            alert="CloudflareAccessDevicesDropped",
            min=0,
        ),
        timeseries(
            "Device registrations",
            "Active registrations by type. Absent where the API token lacks the account permission Zero Trust: Read.",
            query(
                named(of_account("cloudflare_access_device_registrations", "type")),
                "{{account_name}}: {{type}}",
            ),
            stacked=True,
            min=0,
        ),
        timeseries(
            "Device registrations seen",
            "Active registrations whose device was seen that recently.",
            query(
                named(of_account("cloudflare_access_device_registrations_seen", "within")),
                "{{account_name}}: {{within}}",
            ),
            min=0,
        ),
        bars(
            "Client versions",
            "Active registrations by version of the client, over the chosen accounts. Of each account the ten most "
            "common versions are shown; other: all others, unknown: no version.",
            f"sum by (version) ({versions})",
            "{{version}}",
        ),
    ]
    expiry = of_account("cloudflare_access_service_token_expiry_timestamp_seconds", "service_token", "service_token_id")
    tokens = [
        bars(
            "Days until a service token expires",
            "Where service_tokens asks for them; a token that never expires is left out. Fourteen days are an alert.",
            named(f"({expiry} - time()) / 86400"),
            "{{account_name}}: {{service_token}}",
            unit="d",
            steps=((None, RED), (0, YELLOW), (14, GREEN)),
            alert="CloudflareAccessServiceTokenExpires",
        ),
    ]
    accounts = [
        table(
            "Accounts",
            "Every chosen account, as of now.",
            {"account_name": "Account"},
            {
                "Users": Column(named(f"sum by (job, account_id) ({of_account('cloudflare_access_users', 'seat')})")),
                "Seats used": Column(named(USED)),
                "Limit": Column(named(LIMIT)),
                "Used of limit": Column(named(f"{USED} / {LIMIT}"), "percentunit", SEATS),
                "Idle 30 days": Column(
                    named(of_account("cloudflare_access_seats_idle", matchers='idle_days="30"')),
                ),
                "Unknown 30 days": Column(
                    named(of_account("cloudflare_access_seats_activity_unknown", matchers='idle_days="30"')),
                ),
                "Never used": Column(named(of_account("cloudflare_access_seats_never_used"))),
                "Logged in within 7 days": Column(
                    named(of_account("cloudflare_access_users_logged_in", matchers='within="7d"')),
                ),
                "Active within 7 days": Column(
                    named(of_account("cloudflare_access_users_active", matchers='within="7d"')),
                ),
                "Active devices": Column(named(of_account("cloudflare_access_active_devices"))),
            },
        ),
    ]
    return dashboard(
        "cloudflare-access-overview",
        "Cloudflare Access / Overview",
        [DATASOURCE_VARIABLE, JOB_VARIABLE, ACCOUNT_VARIABLE, PRICE_VARIABLE],
        {
            "Seats": (6, seats),
            "Seats over time": (9, course),
            "People": (8, people),
            "Users": (8, users),
            "Devices": (8, devices),
            "Policies": (5, policy_numbers(to=POLICIES)),
            "Service tokens": (6, tokens),
            "All accounts": (8, accounts),
        },
    )


def policy_numbers(to: str = "") -> list[Json]:
    """Return the numbers that say whether anybody has to look at policies, over the chosen accounts."""
    changed = of_account(
        "cloudflare_access_policy_test_changed_users", "policy_test", matchers='change="newly_blocked"'
    )
    failing = of_account("cloudflare_access_policy_test_users", "policy_test", matchers='status="error"')
    finished = of_account("cloudflare_access_policy_test_finished_timestamp_seconds", "policy_test")
    refresh = of_account("cloudflare_access_policy_test_refresh_interval_seconds", "policy_test")
    return [
        stat(
            "Apps tested",
            "Discovered applications that have a policy test.",
            f"sum({of_account('cloudflare_access_discovered_policy_tests')})",
            "tested",
            to=to,
        ),
        stat(
            "Apps not tested",
            "limit: above the limit of discovered tests; excluded: not selected by match and exclude; no_policies: no "
            "policy that evaluates people.",
            f"sum by (reason) ({of_account('cloudflare_access_undiscovered_applications', 'reason')})",
            "{{reason}}",
            alert="CloudflareAccessDiscoveryIncomplete",
            to=to,
        ),
        stat(
            "Most people newly blocked",
            "By one policy, from the test before to its last one. Five are an alert.",
            f"max({changed})",
            "newly blocked",
            steps=LOCKED_OUT,
            alert="CloudflareAccessPolicyNewlyBlocks",
            to=to,
        ),
        stat(
            "Policies with errors",
            "Policies that cannot be evaluated for somebody.",
            f"count({failing} > 0) or vector(0)",
            "with errors",
            steps=ERRORS,
            alert="CloudflareAccessPolicyTestErrors",
            to=to,
        ),
        stat(
            "Oldest test, in refreshes",
            "The next test is due at one, and an alert begins at one and a half.",
            f"max((time() - {finished}) / {refresh})",
            "oldest",
            decimals=1,
            steps=REFRESHES,
            alert="CloudflareAccessPolicyTestOverdue",
            to=to,
        ),
        stat(
            "Bypass policies",
            "Policies of the selected applications that let people in without a login. A new one is an alert.",
            f"sum({policies_of('bypass')})",
            "bypass",
            alert="CloudflareAccessApplicationBypassed",
            to=to,
        ),
        stat(
            "Apps without policies",
            "Selected applications that nobody can open, but for bookmarks. A lost last policy is an alert.",
            f"count({policies_of('.+')} == 0) or vector(0)",
            "without policies",
            alert="CloudflareAccessApplicationWithoutPolicies",
            to=to,
        ),
    ]


def policies() -> Json:
    """Return what those who write policies want to know."""
    each = [
        table(
            "Policy tests",
            "The last finished test of each policy or application, those that newly block most people first. The "
            "tests that the exporter starts have changes and an age in refresh intervals.",
            {"account_name": "Account", "policy_test": "Policy test"},
            {
                "Approved": Column(named(APPROVED)),
                "Blocked": Column(named(BLOCKED)),
                "In error": Column(named(IN_ERROR), steps=ERRORS),
                "Blocked share": Column(named(f"({BLOCKED_SHARE})"), "percentunit"),
                "Newly blocked": Column(named(NEWLY_BLOCKED), steps=LOCKED_OUT),
                "Newly approved": Column(named(NEWLY_APPROVED)),
                "Newly in error": Column(named(NEWLY_IN_ERROR), steps=ERRORS),
                "Age": Column(named(AGE), "s"),
                "Age in refreshes": Column(named(AGE_IN_REFRESHES), steps=REFRESHES),
                "Last poll": Column(named(POLLED), mappings=words((0, "failed", RED), (1, "good", GREEN))),
            },
            options={"sortBy": [{"displayName": "Newly blocked", "desc": True}]},
            alert="CloudflareAccessPolicyNewlyBlocks",
        ),
    ]
    course = [
        timeseries(
            "Blocked share",
            "Share of the people a policy would lock out. Five points more than a day ago are an alert.",
            query(named(f"({BLOCKED_SHARE})"), "{{account_name}}: {{policy_test}}"),
            unit="percentunit",
            min=0,
            max=1,
            alert="CloudflareAccessPolicyBlocksMore",
        ),
        timeseries(
            "People newly blocked",
            "From one finished test to the next, of the tests the exporter starts. Five are an alert.",
            query(named(NEWLY_BLOCKED), "{{account_name}}: {{policy_test}}"),
            min=0,
            alert="CloudflareAccessPolicyNewlyBlocks",
        ),
        timeseries(
            "People newly approved",
            "From one finished test to the next, of the tests the exporter starts.",
            query(named(NEWLY_APPROVED), "{{account_name}}: {{policy_test}}"),
            min=0,
        ),
        timeseries(
            "Applications, tested or not",
            "Why an application is not tested: above the limit, excluded, or without a policy that evaluates people.",
            query(f"sum({of_account('cloudflare_access_discovered_policy_tests')})", "tested"),
            query(
                f"sum by (reason) ({of_account('cloudflare_access_undiscovered_applications', 'reason')})",
                "not tested: {{reason}}",
            ),
            stacked=True,
            min=0,
            alert="CloudflareAccessDiscoveryIncomplete",
            overrides=[fixed("/^tested$/", GREEN), fixed("/: limit$/", RED)],
        ),
    ]
    tests = [
        stacks(
            "People by result",
            "In the last finished test of each policy or application.",
            ("policy_test", "Policy test"),
            {"Approved": (APPROVED, GREEN), "Blocked": (BLOCKED, RED), "In error": (IN_ERROR, YELLOW)},
            alert="CloudflareAccessPolicyTestErrors",
        ),
        bars(
            "Age of the last test, in refreshes",
            "In refresh intervals: the next test is due at one, and an alert begins at one and a half.",
            named(AGE_IN_REFRESHES),
            "{{policy_test}}",
            decimals=1,
            steps=REFRESHES,
            alert="CloudflareAccessPolicyTestOverdue",
        ),
        bars(
            "Unfinished tests",
            "Share of the people that a running test, or one that gave up, has processed.",
            named(UNFINISHED),
            "{{policy_test}}",
            unit="percentunit",
            max=1,
            steps=((None, YELLOW),),
            alert="CloudflareAccessPolicyTestUnfinished",
        ),
    ]
    untested = of_account(
        "cloudflare_access_undiscovered_application_info", "application", "application_id", "type", "reason"
    )
    applications = [
        listing(
            "Applications without a test",
            "limit: above the limit of discovered tests; excluded: not selected, or a configured test has the name; "
            "no_policies: no policy that evaluates people.",
            {"account_name": "Account", "application": "Application", "type": "Type", "reason": "Reason"},
            named(untested),
            alert="CloudflareAccessDiscoveryIncomplete",
        ),
        table(
            "Policies of each application",
            "Policies by decision. Nobody can open an application without any; a bypass policy lets people in without "
            "a login, and service_auth (non_identity) lets in machines.",
            {"account_name": "Account", "application": "Application"},
            {
                "Allow": Column(named(policies_of("allow"))),
                "Deny": Column(named(policies_of("deny"))),
                "Bypass": Column(named(policies_of("bypass")), steps=((None, GREEN), (1, YELLOW))),
                "Service auth": Column(named(policies_of("non_identity"))),
                "All": Column(named(policies_of(".+")), steps=((None, RED), (1, GREEN))),
            },
            options={"sortBy": [{"displayName": "Bypass", "desc": True}]},
            alert="CloudflareAccessApplicationBypassed",
        ),
    ]
    return dashboard(
        POLICIES,
        "Cloudflare Access / Policies",
        [DATASOURCE_VARIABLE, JOB_VARIABLE, ACCOUNT_VARIABLE, POLICY_TEST_VARIABLE],
        {
            "Now": (5, policy_numbers()),
            "Each policy": (15, each),
            "Results and tests": (11, tests),
            "Over time": (10, course),
            "Applications": (10, applications),
        },
    )


def health() -> Json:
    """Return what the exporter's owner wants to know."""
    by_poll = f"{{{ACCOUNT}}}"
    age = f"time() - max by ({BY_TARGET}) (cloudflare_access_poll_last_success_timestamp_seconds{by_poll})"
    interval = f"max by ({BY_TARGET}) (cloudflare_access_poll_interval_seconds{by_poll})"
    target = "{{account_id}}: {{target}}"
    buckets = rate("cloudflare_access_api_request_duration_seconds_bucket", "le, endpoint")
    now = [
        stat(
            "Exporters",
            "Whether the last scrape of each exporter succeeded.",
            f"up{{{JOB}}}",
            "{{instance}}",
            mappings=words((0, "down", RED), (1, "up", GREEN)),
            alert="CloudflareAccessExporterDown",
        ),
        stat(
            "Failing targets",
            "Targets whose last poll failed.",
            f"count(cloudflare_access_poll_success{by_poll} == 0) or vector(0)",
            "failing",
            steps=((None, GREEN), (1, RED)),
            alert="CloudflareAccessPollFailing",
        ),
        stat(
            "Targets",
            "What is polled: lists of users and of devices, policy tests and service tokens.",
            f"sum(cloudflare_access_exporter_targets{{{JOB}}})",
            "targets",
        ),
        stat(
            "Alerts firing",
            "Alerts of this exporter that fire now.",
            'count(ALERTS{alertname=~"CloudflareAccess.*", alertstate="firing"}) or vector(0)',
            "firing",
            steps=((None, GREEN), (1, RED)),
        ),
        stat(
            "Configuration",
            "Whether the last load of the configuration succeeded.",
            f"cloudflare_access_exporter_config_last_reload_successful{{{JOB}}}",
            "{{instance}}",
            mappings=words((0, "failed", RED), (1, "loaded", GREEN)),
            alert="CloudflareAccessConfigReloadFailed",
        ),
        stat(
            "Version",
            "The running version.",
            f"cloudflare_access_exporter_build_info{{{JOB}}}",
            "{{version}} on Python {{python_version}}",
        ),
    ]
    now[-1]["options"]["textMode"] = "name"
    polls = [
        timeseries(
            "Age of the numbers, in intervals",
            "Since the last good poll. From 2 on failing polls are an alert, from 6 on the numbers are stale.",
            query(f"({age})\n/ on ({BY_TARGET})\n{interval}", target),
            steps=((None, GREEN), (2, YELLOW), (6, RED)),
            lines=True,
            min=0,
            alert="CloudflareAccessDataStale",
        ),
        timeseries(
            "Failed polls, by reason",
            "Polls that failed.",
            query(
                "sum by (account_id, target, reason) "
                f"(increase(cloudflare_access_poll_errors_total{by_poll}[$__rate_interval]))",
                target + ", {{reason}}",
            ),
            min=0,
            alert="CloudflareAccessPollFailing",
        ),
        timeseries(
            "Duration of polls",
            "How long the last poll took, waits for the pace included.",
            query(f"max by ({BY_TARGET}) (cloudflare_access_poll_duration_seconds{by_poll})", target),
            unit="s",
            min=0,
        ),
    ]
    api = [
        timeseries(
            "Requests to Cloudflare",
            "Requests a second, by endpoint and HTTP status.",
            query(rate("cloudflare_access_api_requests_total", "endpoint, code"), "{{endpoint}}: {{code}}"),
            unit="reqps",
            min=0,
            alert="CloudflareAccessRateLimited",
        ),
        timeseries(
            "Duration of requests",
            "Time from a request to the end of its answer: the median, and what one in twenty exceeds.",
            query(f"histogram_quantile(0.5, {buckets}) >= 0", "{{endpoint}}: median"),
            query(f"histogram_quantile(0.95, {buckets}) >= 0", "{{endpoint}}: 95 %"),
            unit="s",
            min=0,
        ),
        timeseries(
            "Retries",
            "Requests sent again after a failure that may pass, a second.",
            query(rate("cloudflare_access_api_retries_total", "endpoint"), "{{endpoint}}"),
            unit="reqps",
            min=0,
        ),
    ]
    expiry = f"min by (credential) (cloudflare_access_credential_expiry_timestamp_seconds{{{JOB}}})"
    credentials = [
        bars(
            "Days until a token expires",
            "The exporter's own API tokens, each by the first account that uses it. A token that never expires and a "
            "global API key are left out. Fourteen days are an alert.",
            f"({expiry} - time()) / 86400",
            "{{credential}}",
            unit="d",
            steps=((None, RED), (0, YELLOW), (14, GREEN)),
            alert="CloudflareAccessCredentialExpires",
        ),
        timeseries(
            "Requests left",
            "What the credential has left in Cloudflare's current window, as the last answer told.",
            query(f"min by (credential) (cloudflare_access_api_ratelimit_remaining{{{JOB}}})", "{{credential}}"),
            min=0,
            alert="CloudflareAccessRateLimited",
        ),
    ]
    process = [
        timeseries(
            "CPU",
            "Processor time of each exporter.",
            query(f"rate(process_cpu_seconds_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),
            unit="percentunit",
            min=0,
        ),
        timeseries(
            "Memory",
            "Resident memory of each exporter.",
            query(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"),
            unit="bytes",
            min=0,
        ),
        timeseries(
            "Scrapes",
            "How long a scrape takes. It never waits for Cloudflare.",
            query(f"scrape_duration_seconds{{{JOB}}}", "{{instance}}"),
            unit="s",
            min=0,
        ),
        timeseries(
            "Uptime",
            "Time since each exporter started.",
            query(f"time() - process_start_time_seconds{{{JOB}}}", "{{instance}}"),
            unit="s",
            min=0,
        ),
    ]
    return dashboard(
        "cloudflare-access-exporter",
        "Cloudflare Access / Exporter health",
        [DATASOURCE_VARIABLE, JOB_VARIABLE, ACCOUNT_VARIABLE],
        {
            "Now": (5, now),
            "Polls": (9, polls),
            "Cloudflare's API": (8, api),
            "Credentials": (7, credentials),
            "Process": (7, process),
        },
    )


def dashboards() -> dict[Path, str]:
    """Return the text of each dashboard by its file."""
    files = {"overview.json": overview(), "policies.json": policies(), "exporter-health.json": health()}
    return {FOLDER / name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in files.items()}


def main() -> None:
    """Write the dashboards."""
    for path, text in dashboards().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
