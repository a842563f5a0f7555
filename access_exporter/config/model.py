"""What a configuration can say: every section, typed and frozen."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec

from access_exporter.config import sharding
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.secrets import Secret


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Api(_Section, frozen=True, kw_only=True):
    """How Cloudflare is asked; every limit counts per credential."""

    url: str = "https://api.cloudflare.com/client/v4"
    timeout: Duration = Duration(30)
    page_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000
    requests_per_second: Annotated[float, msgspec.Meta(ge=0.01, le=10_000)] = 2
    burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 40
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4


class Users(_Section, frozen=True, kw_only=True):
    """How an account's users are polled."""

    interval: Interval = Interval(300)
    stale_after: Duration = Duration(1800)
    idle_days: tuple[Annotated[int, msgspec.Meta(ge=1, le=36500)], ...] = (30, 60, 90)
    domains: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    renewed_by: ClassVar[str] = "interval"


_BY_KIND = Duration(0)  # not given: the default depends on the kind of policy test


class PolicyTest(_Section, frozen=True, kw_only=True):
    """One policy test: followed by its id, or started afresh from reusable policies.

    What is started is stale after twice `refresh`, which is a day if not given: one missed test hides no numbers.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    name: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    interval: Interval = Interval(300)
    stale_after: Duration = _BY_KIND
    policies: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...] = ()
    refresh: Interval | None = None

    def __post_init__(self) -> None:
        """Fill in the defaults that depend on the kind of test."""
        if self.policies and self.refresh is None:
            msgspec.structs.force_setattr(self, "refresh", Interval(86400))
        if self.stale_after == _BY_KIND:
            msgspec.structs.force_setattr(self, "stale_after", Duration(2 * self.refresh if self.refresh else 1800))

    @property
    def renewed_by(self) -> str:
        """The key that says how often there are new numbers."""
        return "refresh" if self.refresh else "interval"

    @property
    def label(self) -> str:
        """The value of the label `policy_test`: the name, or else the id."""
        return self.name or self.id or ""


class Account(_Section, frozen=True, kw_only=True):
    """One Cloudflare account and what to poll of it."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    name: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    api_token: Secret | None = None
    api_token_file: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    api_email: Secret | None = None
    api_key: Secret | None = None
    api_key_file: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    seat_limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] | None = None
    users: Users | bool = Users()
    policy_tests: tuple[PolicyTest, ...] = ()

    def polled(self) -> Iterator[tuple[str, "Users | PolicyTest"]]:
        """Yield the sections that say what is polled, each with its path in the account."""
        if self.users_config:
            yield "users", self.users_config
        yield from ((f"policy_tests[{number}]", test) for number, test in enumerate(self.policy_tests))

    @property
    def users_config(self) -> Users | None:
        """The settings of the users poll, or None where it is switched off."""
        return self.users_settings if self.users else None

    @property
    def users_settings(self) -> Users:
        """The settings of a walk over the users, also where they are not polled."""
        return self.users if isinstance(self.users, Users) else Users()

    @property
    def secret(self) -> Secret:
        """The token or key of this account, wherever it is kept."""
        secret = self.api_token or self.api_key
        if secret:
            return secret
        path = self.api_token_file or self.api_key_file or ""
        return Secret(source=f"file {path!r}", path=path)


class Config(_Section, frozen=True, kw_only=True):
    """The whole configuration file."""

    api: Api = Api()
    accounts: Annotated[tuple[Account, ...], msgspec.Meta(min_length=1)]

    def shard(self, number: int, total: int) -> "Config":
        """Return the configuration with the accounts of one of `total` shards, counted from 0."""
        accounts = tuple(account for account in self.accounts if sharding.owner(account.id, total) == number)
        return msgspec.structs.replace(self, accounts=accounts)

    def without_fresh_tests(self) -> "Config":
        """Return the configuration with the policy tests that exist, and none that the exporter would start."""
        accounts = tuple(
            msgspec.structs.replace(account, policy_tests=tuple(test for test in account.policy_tests if test.id))
            for account in self.accounts
        )
        return msgspec.structs.replace(self, accounts=accounts)
