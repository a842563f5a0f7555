"""Counts the users of an account: GET /accounts/{account_id}/access/users ("Get users").

cloudflare_access_users{account_id="…",seat="both"} 12.0
cloudflare_access_seats_used{account_id="…"} 40.0
cloudflare_access_seats_idle{account_id="…",idle_days="90"} 3.0
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client import Metric

from access_exporter.cloudflare import NOTHING_FOUND, Client, Endpoint, Found, Permission
from access_exporter.collectors import devices, email_domains, listed, users_summary
from access_exporter.collectors.devices import DevicesSummary
from access_exporter.collectors.email_domains import DomainCounts
from access_exporter.collectors.last_seen import LastSeen
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.collectors.users_summary import User, UsersSummary, UserWithEmail, summarize
from access_exporter.config import Account
from access_exporter.exposition import gauge

NAME = "users"
SOON_SECONDS = 15
ENDPOINT = Endpoint(NAME, "/accounts/{account_id}/access/users", "Access: Audit Logs Read", shows_text=False)
_WITH_DOMAINS = msgspec.structs.replace(ENDPOINT, shows_text=True)


def configured(account: Account, client: Client) -> Iterator["UsersCollector"]:
    """Yield the collector of an account if the configuration asks for its users."""
    if account.users_config:
        yield UsersCollector(account, client)


class UsersCollector(Collector[UsersSummary]):
    """Polls the users of an account."""

    title = "Users"
    summary_type = UsersSummary
    endpoints = (ENDPOINT,)

    def __init__(self, account: Account, client: Client) -> None:
        """`account` has the settings of `users`."""
        self._account = account
        self._client = client
        self._config = account.users_settings
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.settings = (client.settings, account.name, account.seat_limit, self._config, account.devices_config)
        self.interval = self._config.interval
        self.stale_after = self._config.stale_after

    def fetch(self, poll: Poll[UsersSummary]) -> UsersSummary:
        """Read all users and count them.

        Raises PollError if the list cannot be read to its end.
        """
        found = poll.other(devices.key(self._account.id))
        known = found if isinstance(found, DevicesSummary) else None
        summary = self._walk(poll, known.last_seen if known else None)
        return msgspec.structs.replace(
            self._without_guesses(summary, poll, known),
            devices_refused=known is not None and not known.readable,
        )

    def _without_guesses(
        self, summary: UsersSummary, poll: Poll[UsersSummary], known: DevicesSummary | None
    ) -> UsersSummary:
        """Leave out the numbers that need devices, if the first poll of users ends before the first poll of devices."""
        is_first = poll.previous is None or poll.previous.is_restored
        was_read = known is not None and (known.last_seen is not None or not known.readable)
        if not is_first or was_read or not self._account.devices_config:
            return summary
        return msgspec.structs.replace(summary, idle={}, activity_unknown={}, never_used=None, waited_at=poll.now)

    def _walk(self, poll: Poll[UsersSummary], last_seen: LastSeen | None) -> UsersSummary:
        resource = (_WITH_DOMAINS if self._config.domains else ENDPOINT).of(self._account.id)
        needs_email = self._config.domains > 0 or last_seen is not None
        row: Any = UserWithEmail if needs_email else User  # Any: one of two types of rows
        before = self._found_before(poll.previous, poll.now)
        walk = self._client.walk(resource, row, self.stale_after, before, progress=poll.progress)
        domains = DomainCounts()
        pages = domains.counting(walk) if self._config.domains else walk
        summary = summarize(pages, self._config.idle_days, poll.now, last_seen)
        listed.report(self.key, walk.found, poll.previous.found if poll.previous else NOTHING_FOUND)
        return msgspec.structs.replace(
            summary,
            users_by_domain=domains.largest(self._config.domains) if self._config.domains else {},
            totals_right_at=poll.now if walk.found.totals_agreed else None,
            found=walk.found,
        )

    def next_poll(self, summary: UsersSummary | None, started: float) -> float:
        """Return the seconds to the next poll: SOON_SECONDS after a first poll without devices, else the interval."""
        waited_at = summary.waited_at if summary else None
        is_soon = waited_at is not None and 0 <= waited_at - started < SOON_SECONDS  # False after a failed poll
        return min(self.interval, SOON_SECONDS) if is_soon else self.interval

    def to_store(self, summary: UsersSummary) -> UsersSummary:
        """Return the summary, marked as restored for the next process."""
        return msgspec.structs.replace(summary, is_restored=True)

    def is_possible(self, summary: UsersSummary, succeeded_at: float | None) -> bool:
        """Return whether the numbers agree with each other."""
        return users_summary.is_possible(summary, succeeded_at)

    def status(self, summary: UsersSummary) -> Iterator[str]:
        """Yield the number of seats with unknown activity, and whether the totals contradict the rows."""
        if summary.waited_at is not None:
            yield "idle seats are counted as soon as devices were read"
        if unknown := max(summary.activity_unknown.values(), default=0):
            seats = "1 seat" if unknown == 1 else f"{unknown:,} seats"
            yield f"unknown activity of {seats}{self._advice(summary)}"
        yield from listed.status(summary.found)

    def _found_before(self, previous: UsersSummary | None, now: float) -> Found:
        """Return the result of the last walk. Its totals count as right until its numbers are stale."""
        if previous is None:
            return NOTHING_FOUND
        at = previous.totals_right_at
        agreed = at is not None and 0 <= now - at <= self.stale_after
        return msgspec.structs.replace(previous.found, rows=sum(previous.users.values()), totals_agreed=agreed)

    def _advice(self, summary: UsersSummary) -> str:
        """Return what to do to measure the activity; an empty text if the exporter reads devices, or is going to."""
        grant = f"grant the token the permission {devices.PERMISSION}"
        if not self._account.devices_config:
            return f"; to measure it, set `devices: auto` and {grant}"
        return f"; {grant}" if summary.devices_refused else ""

    def level(self, summary: UsersSummary) -> int:
        """Return the number of seats in use."""
        return summary.seats_used

    def times(self, summary: UsersSummary) -> Iterator[float | None]:
        """Yield when the totals last agreed with the number of users."""
        yield summary.totals_right_at

    def plan(self) -> Plan:
        """Return the cost of polling: one request for each page of users."""
        config, requests = self._config, 3600 / self.interval
        by_domain = f", the {config.domains} largest domains" if config.domains else ""
        return Plan(
            "users",
            f"polled every {self.interval:.10g} s, stale after {self.stale_after:.10g} s, "
            f"idle days {', '.join(map(str, config.idle_days)) or 'none'}{by_domain}",
            requests,
            f"{requests:g} requests/h for each {self._client.api.page_size} users",
        )

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to list users."""
        yield Permission(ENDPOINT.permission, ENDPOINT.of(self._account.id))

    def without_removed(self, summary: UsersSummary) -> UsersSummary:
        """Return the summary with only the configured idle days and the configured number of domains."""
        days = [str(days) for days in self._config.idle_days]
        return msgspec.structs.replace(
            summary,
            idle={each: summary.idle[each] for each in days if each in summary.idle},
            activity_unknown={
                each: summary.activity_unknown[each] for each in days if each in summary.activity_unknown
            },
            users_by_domain=email_domains.largest(summary.users_by_domain, self._config.domains),
        )

    def families(self, summary: UsersSummary) -> Iterator[Metric]:
        """Yield the metric families of the users of an account."""
        labels = {"account_id": self._account.id}
        yield from _user_families(self._account, labels, summary)
        yield email_domains.family(labels, summary.users_by_domain)
        yield from _seat_families(self._account, labels, summary)
        yield from _activity_families(labels, summary)
        if self._account.devices_config:
            yield _active_family(labels, summary)


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
        "Users in the account's list, by the seat they hold; unknown: the API states neither seat.",
        _by(labels, "seat", summary.users),
    )
    yield gauge(
        "cloudflare_access_users_announced",
        "The latest total_count that the API states for the list of users. It differs from the number of users in "
        "the list if the API contradicts itself.",
        [(labels, summary.found.announced)],
    )


def _seat_families(account: Account, labels: dict[str, str], summary: UsersSummary) -> Iterator[Metric]:
    yield gauge(
        "cloudflare_access_seats",
        "Seats by product. A user of both products holds one seat, so the two overlap: never add them.",
        _by(labels, "product", summary.seats),
    )
    yield gauge(
        "cloudflare_access_seats_used",
        "Users who hold a seat of either product: what Cloudflare bills.",
        [(labels, summary.seats_used)],
    )
    yield gauge(
        "cloudflare_access_seats_limit",
        "Seats that you bought, as configured in seat_limit; absent if it is not configured.",
        [(labels, account.seat_limit)],
    )


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
        "Seats whose holder has shown no activity for at least idle_days days. Activity is the later of the last "
        "successful login and the last time one of the holder's devices was seen; for a user without either, the "
        "creation counts. A seat that is idle for 90 days counts under 30 too.",
        _by(labels, "idle_days", summary.idle),
    )
    yield gauge(
        "cloudflare_access_seats_activity_unknown",
        "Seats that the exporter cannot judge: the holder has not logged in for at least idle_days days but has an "
        "active device, or an unknown number of devices, and the exporter cannot read when a device was last seen. "
        "Seats whose last login cannot be read count too.",
        _by(labels, "idle_days", summary.activity_unknown),
    )
    yield gauge(
        "cloudflare_access_seats_never_used",
        "Seats whose holder never logged in, has no active device, and never had a device that was seen.",
        [(labels, summary.never_used)],
    )
    yield gauge(
        "cloudflare_access_users_logged_in",
        "Users whose last successful login is within this time.",
        _by(labels, "within", summary.users_logged_in),
    )
    yield gauge(
        "cloudflare_access_last_login_timestamp_seconds",
        "The newest successful login of any user, in seconds since the epoch; absent before the first login.",
        [(labels, summary.last_login)],
    )


def _active_family(labels: dict[str, str], summary: UsersSummary) -> Metric:
    return gauge(
        "cloudflare_access_users_active",
        "Users with any activity within this time: a login, or a device that was seen; absent if the exporter cannot "
        "read devices.",
        _by(labels, "within", summary.users_active or {}),
    )
