"""The dashboard Overview, for owners of accounts; it starts with the cost of idle seats."""

from deploy.grafana.dashboard import OVERVIEW, POLICIES, Row, dashboard
from deploy.grafana.panels import Json, areas, bars, fixed, gauge, query, stat, timeseries
from deploy.grafana.policy_numbers import policy_numbers
from deploy.grafana.queries import ACCOUNT, named, of_account
from deploy.grafana.tables import Column, link, linked, table
from deploy.grafana.thresholds import ALERTS, DAYS_UNTIL_FULL, GREEN, IDLE, RED, SEATS, SERVICE_TOKEN_EXPIRY, YELLOW
from deploy.grafana.variables import COMMON, PRICE

USED = of_account("cloudflare_access_seats_used")
LIMIT = of_account("cloudflare_access_seats_limit")
IDLE_SEATS = of_account("cloudflare_access_seats_idle", "idle_days")
UNKNOWN_SEATS = of_account("cloudflare_access_seats_activity_unknown", "idle_days")
NEVER_USED = of_account("cloudflare_access_seats_never_used")
LOGGED_IN = "cloudflare_access_users_logged_in"
ACTIVE = "cloudflare_access_users_active"

# The change of the last seven days, or of all data if there is less: in the first hours, a slope would be a wild guess.
# The recorded series goes further back, but has no label `cluster`. The subquery needs no rules.
RECORDED = f"account:cloudflare_access_seats_used:max{{{ACCOUNT}}}"
CHANGE = f"(max by (job, account_id) (delta({RECORDED}[7d]))\nor delta({USED}[7d:5m]))"
# If the number of seats is flat or falls, the result is the maximum number of days, not infinity.
DAYS_LEFT = f"clamp(7 * ({LIMIT} - {USED}) / clamp_min({CHANGE}, 0.01), 0, 365)"
IN_A_WEEK = f"clamp_min(round({USED} + {CHANGE}), 0)"
NEEDS_RULES = "Needs the recording rules in rules.yaml, or else ten minutes of history."


def cost() -> Row:
    """Return the row with the cost of idle seats."""
    days = "{{account_name}}: {{idle_days}} days"
    panels = [
        stat(
            "Idle seats cost per month",
            "Seats that have been idle for this number of days, multiplied by the price at the top of the page, in US "
            "dollars. Seats with unknown activity do not count.",
            named(f"{IDLE_SEATS} * $price"),
            days,
            unit="currencyUSD",
            decimals=0,
            alert="CloudflareAccessSeatsIdle",
        ),
        stat(
            "Idle share of used seats",
            "Share of the used seats without activity for this number of days: no login, and no device seen.",
            named(f"{IDLE_SEATS}\n/ on (job, account_id) group_left ()\n({USED} > 0)"),
            days,
            unit="percentunit",
            steps=IDLE,
            alert="CloudflareAccessSeatsIdle",
        ),
        timeseries(
            "Idle seats over time",
            "Seats by the number of days since the last activity. A seat that is idle for 90 days is also idle for 30 "
            "days. Never used: the holder of the seat never logged in, and no device was ever seen.",
            query(named(IDLE_SEATS), days),
            query(named(NEVER_USED), "{{account_name}}: never used"),
            alert="CloudflareAccessSeatsIdle",
        ),
    ]
    return Row("Cost of idle seats", 8, panels)


def seats() -> Row:
    """Return the row with the number of seats and the days until they run out."""
    panels = [
        stat("Seats used", "Users with a seat of Access, Gateway or both. Cloudflare bills these seats.", named(USED)),
        gauge(
            "Used share of the limit",
            "Seats used, divided by seat_limit. Accounts without seat_limit do not appear.",
            named(f"{USED} / {LIMIT}"),
            unit="percentunit",
            steps=SEATS,
            min=0,
            max=1,
            alert="CloudflareAccessSeatsNearLimit",
        ),
        stat(
            "Days until seats run out",
            f"If usage keeps growing as in the last seven days. {NEEDS_RULES}",
            named(DAYS_LEFT),
            unit="d",
            decimals=0,
            steps=DAYS_UNTIL_FULL,
            mappings=[{"type": "range", "options": {"from": 365, "to": None, "result": {"text": "a year or more"}}}],
            alert="CloudflareAccessSeatsRunOut",
        ),
        stat(
            "Seats expire after",
            "Cloudflare removes the seat of a user who has been inactive for this time. An account does not appear if "
            "its seats never expire, or if the token may not read this setting.",
            named(f"{of_account('cloudflare_access_seat_expiration_seconds')} / 86400"),
            unit="d",
            decimals=0,
        ),
    ]
    return Row("Seats", 6, panels)


def over_time() -> Row:
    """Return the row with the changes of seats over time."""
    panels = [
        timeseries(
            "Seats and their limit",
            f"Seats used, the limit, and the expected seats in a week, by the trend of the last week. {NEEDS_RULES}",
            query(named(USED), "{{account_name}}: used"),
            query(named(LIMIT), "{{account_name}}: limit"),
            query(named(IN_A_WEEK), "{{account_name}}: in a week"),
            alert="CloudflareAccessSeatsRunOut",
            overrides=[fixed("/: limit$/", RED), fixed("/: in a week$/", "semi-dark-orange")],
        ),
        timeseries(
            "Seats with unknown activity",
            "The holder of the seat has not logged in for this number of days, but may use a device. These seats do "
            "not count as idle. To find out, grant the API token the account permission Zero Trust: Read.",
            query(named(UNKNOWN_SEATS), "{{account_name}}: {{idle_days}} days"),
            alert="CloudflareAccessSeatsIdle",
        ),
        areas(
            "Users by seat",
            "All users in the list of the account, by the seat they hold.",
            query(named(of_account("cloudflare_access_users", "seat")), "{{account_name}}: {{seat}}"),
        ),
    ]
    return Row("Seats over time", 9, panels)


def activity() -> Row:
    """Return the row with the number of active users."""
    recent = "{{account_name}}: {{within}}"
    panels = [
        timeseries(
            "Users who logged in",
            "Users with a successful login within 1, 7 and 30 days.",
            query(named(of_account(LOGGED_IN, "within")), recent),
            alert="CloudflareAccessNobodyLogsIn",
        ),
        timeseries(
            "Active users",
            "Users with a login, or with a device that was seen, within 1, 7 and 30 days. Needs the account permission "
            "Zero Trust: Read.",
            query(named(of_account(ACTIVE, "within")), recent),
        ),
        stat(
            "Time since the last login",
            "Time since the last successful login of any user.",
            named(f"(time() - {of_account('cloudflare_access_last_login_timestamp_seconds')})"),
            unit="s",
            steps=((None, GREEN), (86400, YELLOW)),
            alert="CloudflareAccessNobodyLogsIn",
        ),
    ]
    return Row("Activity", 8, panels)


def users() -> Row:
    """Return the row with users by number of devices and by e-mail domain, and devices by client version."""
    numbers = of_account("cloudflare_access_users_by_devices", "devices")
    domains = of_account("cloudflare_access_domain_users", "domain", "seat")
    versions = of_account("cloudflare_access_device_client_registrations", "version")
    panels = [
        bars(
            "Users by devices",
            "Users of the selected accounts, by their number of active devices.",
            f"sum by (devices) ({numbers})",
            "{{devices}}",
        ),
        bars(
            "Users by e-mail domain",
            "Users of the selected accounts by e-mail domain. Needs users.domains in the configuration.",
            f"sum by (domain) ({domains})",
            "{{domain}}",
        ),
        bars(
            "Devices by client version",
            "Active registrations of the selected accounts, by client version: the ten most common versions of each "
            "account. other: all other versions; unknown: no version.",
            f"sum by (version) ({versions})",
            "{{version}}",
        ),
    ]
    return Row("Users and clients", 8, panels)


def devices() -> Row:
    """Return the row with the number of devices."""
    panels = [
        timeseries(
            "Active devices",
            "Active devices of all users.",
            query(named(of_account("cloudflare_access_active_devices"))),
            alert="CloudflareAccessDevicesDropped",
        ),
        areas(
            "Device registrations",
            "Active registrations by type. Needs the account permission Zero Trust: Read.",
            query(named(of_account("cloudflare_access_device_registrations", "type")), "{{account_name}}: {{type}}"),
        ),
        timeseries(
            "Devices seen",
            "Active registrations with a device that was seen within 1, 7 and 30 days.",
            query(
                named(of_account("cloudflare_access_device_registrations_seen", "within")),
                "{{account_name}}: {{within}}",
            ),
        ),
    ]
    return Row("Devices", 8, panels)


def service_tokens() -> Row:
    """Return the row with the expiry of service tokens."""
    expiry = of_account("cloudflare_access_service_token_expiry_timestamp_seconds", "service_token", "service_token_id")
    return Row(
        "Service tokens",
        6,
        [
            bars(
                "Days until a service token expires",
                f"Yellow below {ALERTS['service_token_expiry_days']:g} days, when the alert fires. Tokens that never "
                "expire do not appear. Needs service_tokens in the configuration.",
                named(f"({expiry} - time()) / 86400"),
                "{{account_name}}: {{service_token}}",
                unit="d",
                decimals=0,
                steps=SERVICE_TOKEN_EXPIRY,
                alert="CloudflareAccessServiceTokenExpires",
            ),
        ],
    )


def accounts() -> Row:
    """Return the row with a table of all accounts; the account with the most expensive idle seats comes first."""
    most_idle, most_unknown = (f"max by (job, account_id) ({seats})" for seats in (IDLE_SEATS, UNKNOWN_SEATS))
    columns = {
        "Users": Column(named(f"sum by (job, account_id) ({of_account('cloudflare_access_users', 'seat')})")),
        "Seats": Column(named(USED)),
        "Limit": Column(named(LIMIT)),
        "Used": Column(named(f"{USED} / {LIMIT}"), "percentunit", SEATS),
        "Idle": Column(named(most_idle)),
        "Cost of idle": Column(named(f"{most_idle} * $price"), "currencyUSD", decimals=0),
        "Unknown": Column(named(most_unknown)),
        "Never used": Column(named(NEVER_USED)),
        "Logins in 7 d": Column(named(of_account(LOGGED_IN, matchers='within="7d"'))),
        "Active in 7 d": Column(named(of_account(ACTIVE, matchers='within="7d"'))),
        "Devices": Column(named(of_account("cloudflare_access_active_devices"))),
    }
    open_account = linked(
        "Account",
        link("Show this account only", OVERVIEW, "account", "price"),
        link("Policies of this account", POLICIES, "account"),
    )
    panel = table(
        "Accounts",
        "The current numbers of the selected accounts. Select a name to see one account or its policies. Idle, Cost of "
        "idle and Unknown are for the smallest number of days in idle_days.",
        {"account_name": "Account"},
        columns,
        options={"sortBy": [{"displayName": "Cost of idle", "desc": True}]},
        overrides=[open_account],
    )
    return Row("Accounts", 6, [panel])


def overview() -> Json:
    """Return the dashboard."""
    return dashboard(
        OVERVIEW,
        "Cloudflare Access / Overview",
        [*COMMON, PRICE],
        [
            cost(),
            seats(),
            accounts(),
            over_time(),
            activity(),
            users(),
            devices(),
            Row("Policies", 5, policy_numbers(details=POLICIES)),
            service_tokens(),
        ],
    )
