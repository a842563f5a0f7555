"""Users of an account: GET /accounts/{account_id}/access/users ("Get users").

cloudflare_access_users{account_id="…",seat="both"} 12.0
cloudflare_access_seats_used{account_id="…"} 40.0
cloudflare_access_seats_idle{account_id="…",devices="none",idle_days="90"} 3.0
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client import Metric

from access_exporter.cloudflare import NOTHING_FOUND, Client, Endpoint, Found
from access_exporter.collectors import email_domains, listed, organization
from access_exporter.collectors.email_domains import DomainCounts
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.collectors.users_summary import User, UsersSummary, UserWithEmail, summarize
from access_exporter.config import Account
from access_exporter.exposition import gauge

NAME = "users"
ENDPOINT = Endpoint(NAME, "/accounts/{account_id}/access/users", "Access: Audit Logs Read")


def configured(account: Account, client: Client) -> Iterator["UsersCollector"]:
    """Yield the collector of an account whose users are polled."""
    if account.users_config:
        yield UsersCollector(account, client)


class UsersCollector(Collector[UsersSummary]):
    """The users of an account."""

    title = "Users"
    summary_type = UsersSummary
    endpoints = (ENDPOINT, organization.ENDPOINT)

    def __init__(self, account: Account, client: Client) -> None:
        """Ask nothing yet."""
        self._account = account
        self._client = client
        self._config = account.users_settings
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.settings = (client.settings, account.name, account.seat_limit, self._config)
        self.interval = self._config.interval
        self.stale_after = self._config.stale_after

    def fetch(self, poll: Poll[UsersSummary]) -> UsersSummary:
        """Walk over all users and sum them up, and ask when seats expire.

        Raises a PollError when the end of the list is not reached.
        """
        summary = self._walk(poll)
        known = poll.previous.seat_expiration if poll.previous else None
        expiration = organization.fetch(self._client, self._account.id, known, poll.now, self.stale_after)
        return msgspec.structs.replace(summary, seat_expiration=expiration)

    def _walk(self, poll: Poll[UsersSummary]) -> UsersSummary:
        resource, now = ENDPOINT.of(self._account.id), poll.now
        row: Any = UserWithEmail if self._config.domains else User  # Any: two types, one of which has an address
        walk = self._client.walk(resource, row, self.stale_after, self._found_before(poll.previous, now))
        domains = DomainCounts()
        pages = domains.counting(walk) if self._config.domains else walk
        summary = summarize(pages, self._config.idle_days, now)
        listed.report(self.key, walk.found, poll.previous.found if poll.previous else NOTHING_FOUND)
        return msgspec.structs.replace(
            summary,
            users_by_domain=domains.largest(self._config.domains) if self._config.domains else {},
            totals_right_at=now if walk.found.totals_agreed else None,
            found=walk.found,
        )

    def _found_before(self, previous: UsersSummary | None, now: float) -> Found:
        """Return what the last walk found; its totals are believed as long as the numbers are shown that agreed."""
        if previous is None:
            return NOTHING_FOUND
        at = previous.totals_right_at
        agreed = at is not None and 0 <= now - at <= self.stale_after
        return msgspec.structs.replace(previous.found, rows=sum(previous.users.values()), totals_agreed=agreed)

    def status(self, summary: UsersSummary) -> Iterator[str]:
        """Yield that the totals contradict the rows, where they do."""
        yield from listed.status(summary.found)

    def times(self, summary: UsersSummary) -> Iterator[float | None]:
        """Yield when the totals agreed, and when it was asked after how long seats expire."""
        yield summary.totals_right_at
        yield summary.seat_expiration.asked if summary.seat_expiration else None

    def plan(self) -> Plan:
        """Return what polling costs: a request for each page of users."""
        config, requests = self._config, 3600 / self.interval
        by_domain = f"the {config.domains} largest domains, " if config.domains else ""
        return Plan(
            f"users: polled every {self.interval:.10g} s, stale after {self.stale_after:.10g} s, "
            f"idle days {', '.join(map(str, config.idle_days)) or 'none'}, "
            f"{by_domain}{requests:g} requests/h for each {self._client.api.page_size} users",
            requests,
        )

    def without_removed(self, summary: UsersSummary) -> UsersSummary:
        """Return the summary with only those idle days, and as few domains, as are configured."""
        days = [str(days) for days in self._config.idle_days]
        return msgspec.structs.replace(
            summary,
            seats_idle={each: summary.seats_idle[each] for each in days if each in summary.seats_idle},
            users_by_domain=email_domains.largest(summary.users_by_domain, self._config.domains),
        )

    def families(self, summary: UsersSummary) -> Iterator[Metric]:
        """Yield everything `/metrics` says about the users of an account."""
        labels = {"account_id": self._account.id}
        yield from _user_families(self._account, labels, summary)
        yield email_domains.family(labels, summary.users_by_domain)
        yield from _seat_families(self._account, labels, summary)
        yield from _activity_families(labels, summary)


def _by(labels: dict[str, str], label: str, counts: Mapping[str, float]) -> list[tuple[dict[str, str], float]]:
    return [(labels | {label: value}, number) for value, number in counts.items()]


def _user_families(account: Account, labels: dict[str, str], summary: UsersSummary) -> Iterator[Metric]:
    yield gauge(
        "cloudflare_access_account_info",
        "The configured account; always 1.",
        [(labels | {"account_name": account.name or account.id}, 1)],
    )
    yield gauge(
        "cloudflare_access_users",
        "Users the account lists, by the seat they hold; unknown where the API names neither seat.",
        _by(labels, "seat", summary.users),
    )
    yield gauge(
        "cloudflare_access_users_announced",
        "The latest total_count of the list of users, as the API states it; another number than that of the users it "
        "lists where the API contradicts itself.",
        [(labels, summary.found.announced)],
    )


def _seat_families(account: Account, labels: dict[str, str], summary: UsersSummary) -> Iterator[Metric]:
    yield gauge(
        "cloudflare_access_seats",
        "Seats by product. A user of both products holds one seat, so these overlap: never add them.",
        _by(labels, "product", summary.seats),
    )
    yield gauge(
        "cloudflare_access_seats_used",
        "Users who hold a seat of either product: what is billed.",
        [(labels, summary.seats_used)],
    )
    yield gauge(
        "cloudflare_access_seats_limit",
        "Seats that were bought, as configured in seat_limit; absent where it is not.",
        [(labels, account.seat_limit)],
    )
    yield organization.family(labels, summary.seat_expiration)


def _activity_families(labels: dict[str, str], summary: UsersSummary) -> Iterator[Metric]:
    yield gauge(
        "cloudflare_access_active_devices",
        "Active devices, summed over all users whose number of devices is known.",
        [(labels, summary.active_devices)],
    )
    yield gauge(
        "cloudflare_access_users_by_devices",
        "Users by their number of active devices.",
        _by(labels, "devices", summary.users_by_devices),
    )
    yield gauge(
        "cloudflare_access_seats_idle",
        "Seats whose user has not logged in for at least idle_days days, counted from the creation of the user where "
        "there was no login, by whether devices are active. A user idle for 90 days counts under 30 too.",
        [
            each
            for days, counts in summary.seats_idle.items()
            for each in _by(labels | {"idle_days": days}, "devices", counts)
        ],
    )
    yield gauge(
        "cloudflare_access_seats_never_used",
        "Seats whose user has no successful login.",
        [(labels, summary.seats_never_used)],
    )
    yield gauge(
        "cloudflare_access_users_logged_in",
        "Users whose last successful login is that recent.",
        _by(labels, "within", summary.users_logged_in),
    )
    yield gauge(
        "cloudflare_access_last_login_timestamp_seconds",
        "The newest successful login of anyone, in seconds since the epoch; absent before the first.",
        [(labels, summary.last_login)],
    )
