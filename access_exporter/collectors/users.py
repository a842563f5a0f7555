"""Users of an account: GET /accounts/{account_id}/access/users ("Get users").

cloudflare_access_users{account_id="…",seat="both"} 12.0
cloudflare_access_seats_used{account_id="…"} 40.0
cloudflare_access_seats_idle{account_id="…",devices="none",idle_days="90"} 3.0
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Endpoint, Found
from access_exporter.collectors import email_domains, organization, seats
from access_exporter.collectors.email_domains import DomainCounts
from access_exporter.collectors.protocol import Collector, Keep, Key
from access_exporter.collectors.seats import NEVER, SEATS
from access_exporter.config import Account
from access_exporter.errors import InvalidResponseError
from access_exporter.exposition import gauge

NAME = "users"
ENDPOINT = Endpoint(NAME, "/accounts/{account_id}/access/users", "Access: Audit Logs Read")

_WITHIN = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

_MAX_GROUPS = 100_000  # some thousands are plausible

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class User(msgspec.Struct, gc=False):
    """The fields of a row that are read; any may be missing."""

    id: str | None = None
    access_seat: bool | None = None
    gateway_seat: bool | None = None
    active_device_count: int | float | None = None  # a JSON number; as a rule whole, and those are decoded faster
    created_at: _Time | None = None
    last_successful_login: _Time | None = None


class UserWithEmail(User, gc=False):
    """A row with its e-mail address, which is read only where it is counted by domain."""

    email: str | None = None


class UsersSummary(msgspec.Struct, frozen=True):
    """What one walk over the users says of the moment it was made: numbers of users, and one time in seconds."""

    users: dict[str, int]
    seats: dict[str, int]
    seats_used: int
    active_devices: float
    users_by_devices: dict[str, int]
    seats_idle: dict[str, dict[str, int]]
    seats_never_used: int
    users_logged_in: dict[str, int]
    last_login: float | None
    # What is younger than the first version has a default, so that what an older one has stored can be read.
    seat_expiration: organization.SeatExpiration | None = None
    users_by_domain: dict[str, dict[str, int]] = {}
    totals_right_at: float | None = None  # when as many users were listed as the API counts, since the epoch


class _Group(NamedTuple):
    """Users that count alike in every metric.

    `age` tells between which of the moments the user last logged in, counted from 1; below 0 it says so of the
    creation of a user who never did, and 0 means that neither time is known.
    """

    access_seat: bool | None
    gateway_seat: bool | None
    active_device_count: float | None
    age: int

    @property
    def seat(self) -> str:
        return seats.seat(access_seat=self.access_seat, gateway_seat=self.gateway_seat)

    @property
    def devices(self) -> float | None:
        return seats.devices(self.active_device_count)


def configured(account: Account, client: Client) -> Iterator["UsersCollector"]:
    """Yield the collector of an account whose users are polled."""
    if account.users_config:
        yield UsersCollector(account, client)


class UsersCollector(Collector[UsersSummary]):
    """The users of an account."""

    summary_type = UsersSummary

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

    def fetch(self, previous: UsersSummary | None, now: float, keep: Keep[UsersSummary]) -> UsersSummary:
        """Walk over all users and sum them up, and ask when seats expire; `now` is in seconds since the epoch.

        Raises a PollError when the end of the list is not reached.
        """
        summary = self._walk(previous, now)
        known = previous.seat_expiration if previous else None
        expiration = organization.fetch(self._client, self._account.id, known, now, self.stale_after)
        return msgspec.structs.replace(summary, seat_expiration=expiration)

    def _walk(self, previous: UsersSummary | None, now: float) -> UsersSummary:
        resource = ENDPOINT.of(self._account.id)
        row: Any = UserWithEmail if self._config.domains else User  # Any: two types, one of which has an address
        walk = self._client.walk(resource, row, self.stale_after, self._found_before(previous, now))
        domains = DomainCounts()
        pages = domains.counting(walk) if self._config.domains else walk
        summary = summarize(pages, self._config.idle_days, now)
        return msgspec.structs.replace(
            summary,
            users_by_domain=domains.largest(self._config.domains) if self._config.domains else {},
            totals_right_at=now if walk.found.totals_agreed else None,
        )

    def _found_before(self, previous: UsersSummary | None, now: float) -> Found:
        """Return what the last walk found; its totals are believed as long as the numbers are shown that agreed."""
        if previous is None:
            return Found()
        at = previous.totals_right_at
        return Found(sum(previous.users.values()), at is not None and 0 <= now - at <= self.stale_after)

    def families(self, summary: UsersSummary) -> Iterator[Metric]:
        """Yield everything `/metrics` says about the users of an account."""
        labels = {"account_id": self._account.id}
        yield from _user_families(self._account, labels, summary)
        if self._config.domains:  # what is switched off is not shown a moment longer
            yield email_domains.family(labels, summary.users_by_domain)
        yield from _seat_families(self._account, labels, summary)
        yield from _activity_families(labels, summary)


def summarize(pages: Iterable[Sequence[User]], idle_days: Iterable[int], now: float) -> UsersSummary:
    """Sum users up as of `now`, in seconds since the epoch, keeping nothing but counts of users that are alike."""
    present = datetime.fromtimestamp(now, UTC)
    idle = {str(days): max(NEVER, present - timedelta(days=days)) for days in idle_days}
    # "Within a day" includes a login exactly a day ago, and so does "idle for a day".
    within = {name: present - span - timedelta.resolution for name, span in _WITHIN.items()}
    moments = sorted({NEVER, *idle.values(), *within.values()})
    groups: Counter[tuple[object, ...]] = Counter()
    last_login = NEVER
    for users in pages:
        alike = []
        for user in users:
            login = user.last_successful_login or NEVER
            age = bisect_left(moments, login)
            if login > last_login:  # noqa: PLR1730 – max() would take a fifth of the whole sum
                last_login = login
            if age == 0 and user.created_at:
                age = -bisect_left(moments, user.created_at)
            alike.append((user.access_seat, user.gateway_seat, user.active_device_count, age))
        groups.update(alike)
        if len(groups) > _MAX_GROUPS:
            raise InvalidResponseError("the users differ more than numbers of devices can")
    return _sum_up(
        {_Group(*group): number for group, number in groups.items()},  # type: ignore[arg-type]
        {days: moments.index(moment) for days, moment in idle.items()},
        {name: moments.index(moment) for name, moment in within.items()},
        last_login.timestamp() if last_login > NEVER else None,
    )


def _sum_up(
    groups: dict[_Group, int], idle: dict[str, int], within: dict[str, int], last_login: float | None
) -> UsersSummary:
    users = dict.fromkeys(SEATS, 0)
    users_by_devices = dict.fromkeys(("0", "1", "2", "3-5", "6+", "unknown"), 0)
    seats_idle = {days: dict.fromkeys(("none", "some", "unknown"), 0) for days in idle}
    users_logged_in = dict.fromkeys(within, 0)
    active_devices = 0.0
    never_used = 0
    for group, number in groups.items():
        users[group.seat] += number
        users_by_devices[_devices_bucket(group.devices)] += number
        active_devices += (group.devices or 0) * number
        for name, moment in within.items():
            users_logged_in[name] += number * (group.age > moment)
        if not (group.access_seat or group.gateway_seat):
            continue
        never_used += number * (group.age <= 0)
        for days, moment in idle.items():
            seats_idle[days][_some_devices(group.devices)] += number * (0 < abs(group.age) <= moment)
    return UsersSummary(
        users=users,
        seats={"access": users["access"] + users["both"], "gateway": users["gateway"] + users["both"]},
        seats_used=users["access"] + users["gateway"] + users["both"],
        active_devices=active_devices,
        users_by_devices=users_by_devices,
        seats_idle=seats_idle,
        seats_never_used=never_used,
        users_logged_in=users_logged_in,
        last_login=last_login,
    )


def _devices_bucket(devices: float | None) -> str:
    if devices is None:
        return "unknown"
    if devices < 3:
        return str(int(devices))
    return "3-5" if devices < 6 else "6+"


def _some_devices(devices: float | None) -> str:
    if devices is None:
        return "unknown"
    return "some" if devices >= 1 else "none"


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
