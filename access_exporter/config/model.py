"""The sections of a configuration, as typed and frozen classes.

The meanings, limits, defaults and examples of the keys are here only. `make docs` writes docs/configuration.md and
config.yaml from them.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from access_exporter.config import exposure, sharding
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.secrets import Secret


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


_Text = Annotated[str, Meta(min_length=1)]
_AccountId = Annotated[str, Meta(min_length=1, max_length=32)]
_PolicyId = Annotated[str, Meta(min_length=1, max_length=64)]
_Days = Annotated[int, Meta(ge=1, le=36500)]
_Seats = Annotated[int, Meta(ge=1, le=1_000_000_000)]


def _means(
    meaning: str, example: object = None, *, default: str = "", ge: float | None = None, le: float | None = None
) -> Meta:
    """Return the description of a key. Keys with an empty default have an example and a default in words."""
    return Meta(
        description=meaning,
        examples=None if example is None else [example],
        extra={"default": default},
        ge=ge,
        le=le,
    )


class Api(_Section, frozen=True, kw_only=True):
    """How to call the API. Each limit applies to each credential separately."""

    url: Annotated[str, _means("address of the API")] = "https://api.cloudflare.com/client/v4"
    timeout: Annotated[Duration, _means("time limit for one request")] = Duration(30)
    page_size: Annotated[int, _means("rows to request per page", ge=1, le=1000)] = 1000
    requests_per_second: Annotated[
        float, _means("average number of requests per second, over five minutes", ge=0.01, le=10_000)
    ] = 2
    burst: Annotated[
        int, _means("requests that may be sent at once; they count in the average", ge=1, le=1_000_000)
    ] = 40
    concurrency: Annotated[int, _means("maximum number of requests in flight at the same time", ge=1, le=64)] = 4
    uses_proxy: ClassVar[bool] = True  # whether requests use the proxy of the environment


class _OfThisMachine(Api, frozen=True, kw_only=True):
    """An API on this machine, which requests reach without a proxy."""

    uses_proxy: ClassVar[bool] = False


# These values mean that a key is not set. Its default depends on the interval, or on the kind of policy test.
_BY_OTHERS, _POLLS_BY_KIND = Duration(0), Interval(0)


class _Polled(_Section, frozen=True, kw_only=True):
    """The settings of a target that is polled at an interval."""

    interval: Annotated[Interval, _means("time from the start of one poll to the start of the next")] = Interval(900)
    stale_after: Annotated[Duration, _means("remove numbers that are older than this")] = _BY_OTHERS
    renewed_by: ClassVar[str] = "interval"
    usual_interval: ClassVar[float] = 900

    def __post_init__(self) -> None:
        """Set the default of `stale_after`: six intervals, or six usual intervals if the interval is shorter."""
        if self.stale_after == _BY_OTHERS:
            default = Duration(6 * max(self.interval, self.usual_interval))
            msgspec.structs.force_setattr(self, "stale_after", default)


class Users(_Polled, frozen=True, kw_only=True):
    """How to poll the users of an account."""

    interval: Annotated[Interval, _means("time from the start of one poll to the start of the next")] = Interval(300)
    idle_days: Annotated[tuple[_Days, ...], _means("count seats that were idle for at least this many days")] = (
        30,
        60,
        90,
    )
    domains: Annotated[int, _means("number of e-mail domains to count users by, largest first", ge=0, le=100)] = 0
    usual_interval: ClassVar[float] = 300


class PolicyTest(_Section, frozen=True, kw_only=True):
    """A policy test to follow by its id, or to start from reusable policies, or one to start for each application.

    The default of `refresh` is a day. If the exporter starts the test, the default of `stale_after` is twice `refresh`,
    so that the numbers stay if one test fails.
    """

    id: Annotated[_PolicyId | None, _means("existing policy test to follow", "f1a8b3…")] = None
    name: Annotated[_Text | None, _means("value of the label `policy_test`", "wiki", default="the id")] = None
    interval: Annotated[Interval, _means("time from the start of one poll to the start of the next")] = _POLLS_BY_KIND
    stale_after: Annotated[Duration, _means("remove numbers that are older than this")] = _BY_OTHERS
    policies: Annotated[tuple[_PolicyId, ...], _means("ids of the reusable policies to test together")] = ()
    refresh: Annotated[Interval | None, _means("time from the start of one test to the start of the next")] = None
    discover: Annotated[
        Literal["applications"] | None, _means("`applications`: start a test for each application", "applications")
    ] = None
    match: Annotated[tuple[_Text, ...], _means("names of applications to test; `*` and `?` are wildcards")] = ("*",)
    exclude: Annotated[
        tuple[_Text, ...], _means("names of applications not to test", ("staging *",), default="none")
    ] = ()
    limit: Annotated[int, _means("maximum number of applications to test, in order of name", ge=1, le=1000)] = 50

    def __post_init__(self) -> None:
        """Set the defaults that depend on the kind of test."""
        if self.is_fresh and self.refresh is None:
            msgspec.structs.force_setattr(self, "refresh", Interval(86400))
        if self.interval == _POLLS_BY_KIND:
            msgspec.structs.force_setattr(self, "interval", Interval(900 if self.discover else 300))
        if self.stale_after == _BY_OTHERS:
            msgspec.structs.force_setattr(
                self, "stale_after", Duration(2 * self.refresh if self.refresh else 6 * max(self.interval, 300))
            )

    @property
    def is_fresh(self) -> bool:
        """Whether the exporter starts this test."""
        return bool(self.policies or self.discover)

    @property
    def renewed_by(self) -> str:
        """The key that sets how often there are new numbers."""
        return "refresh" if self.refresh else "interval"

    @property
    def label(self) -> str:
        """The value of the label `policy_test`: the name or, without a name, the id."""
        return self.name or self.id or ""


class Devices(_Polled, frozen=True, kw_only=True):
    """How to poll the devices of an account's users."""


class ServiceTokens(_Polled, frozen=True, kw_only=True):
    """How to poll the service tokens of an account."""


class Account(_Section, frozen=True, kw_only=True):
    """One Cloudflare account and what to poll of it."""

    id: Annotated[_AccountId, _means("account id; list each account once")]
    name: Annotated[_Text | None, _means("name to show for the account", "Example", default="the id")] = None
    api_token: Annotated[Secret | None, _means("API token", "${CLOUDFLARE_API_TOKEN}")] = None
    api_token_file: Annotated[
        _Text | None, _means("file with the API token, instead of `api_token`", "/run/secrets/token")
    ] = None
    api_email: Annotated[Secret | None, _means("e-mail address of the owner of the key", "${CLOUDFLARE_EMAIL}")] = None
    api_key: Annotated[Secret | None, _means("global API key, instead of a token", "${CLOUDFLARE_API_KEY}")] = None
    api_key_file: Annotated[
        _Text | None, _means("file with the global API key, instead of `api_key`", "/run/secrets/key")
    ] = None
    seat_limit: Annotated[_Seats | None, _means("number of seats you bought; the API does not report it", 50)] = None
    users: Annotated[Users | bool, _means("how to poll users; `false` turns it off")] = Users()
    devices: Annotated[
        Devices | bool | Literal["auto"],
        _means("`auto`: poll devices if the token has the permission; `true`: always; `false`: never"),
    ] = "auto"
    policy_tests: Annotated[tuple[PolicyTest, ...], _means("policy tests to follow or to start", default="none")] = ()
    service_tokens: Annotated[ServiceTokens | bool, _means("how to poll service tokens; `true` turns it on")] = False

    def polled(self) -> Iterator[tuple[str, "Users | Devices | PolicyTest | ServiceTokens"]]:
        """Yield the path and the settings of each section that the exporter polls."""
        if self.users_config:
            yield "users", self.users_config
        if self.devices_config:
            yield "devices", self.devices_config
        yield from ((f"policy_tests[{number}]", test) for number, test in enumerate(self.policy_tests))
        if self.service_tokens_config:
            yield "service_tokens", self.service_tokens_config

    def without_fresh_tests(self) -> "Account":
        """Return the account with no policy test that the exporter would start."""
        listed = [msgspec.structs.replace(test, limit=0) for test in self.policy_tests if test.discover]
        existing = [test for test in self.policy_tests if test.id]
        return msgspec.structs.replace(self, policy_tests=(*existing, *listed))

    @property
    def discovery(self) -> PolicyTest | None:
        """How to start a test for each application; None if discovery is off."""
        return next((test for test in self.policy_tests if test.discover), None)

    @property
    def users_config(self) -> Users | None:
        """The settings of the poll of users, or None if it is off."""
        return self.users_settings if self.users else None

    @property
    def users_settings(self) -> Users:
        """The settings of the list of users. `--idle-seats` needs them even if the poll of users is off."""
        return self.users if isinstance(self.users, Users) else Users()

    @property
    def devices_config(self) -> Devices | None:
        """The settings of the poll of devices, or None if it is off or if nothing needs devices."""
        return self.devices_settings if self.devices and (self.devices != "auto" or self.users) else None

    @property
    def devices_settings(self) -> Devices:
        """The settings of the list of devices."""
        return self.devices if isinstance(self.devices, Devices) else Devices()

    @property
    def service_tokens_config(self) -> ServiceTokens | None:
        """The settings of the poll of service tokens, or None if it is off."""
        if isinstance(self.service_tokens, ServiceTokens):
            return self.service_tokens
        return ServiceTokens() if self.service_tokens else None

    @property
    def secret(self) -> Secret:
        """The token or key of this account, from the configuration or from a file."""
        secret = self.api_token or self.api_key
        if secret:
            return secret
        path = self.api_token_file or self.api_key_file or ""
        return Secret(source=f"file {path!r}", path=path)


class Config(_Section, frozen=True, kw_only=True):
    """The whole configuration file."""

    api: Annotated[Api, _means("how to call the API; each limit is per credential")] = Api()
    accounts: Annotated[tuple[Account, ...], Meta(min_length=1), _means("accounts to poll; at least one")]

    def shard(self, number: int, total: int) -> "Config":
        """Return the configuration with the accounts of one of `total` shards, counted from 0."""
        accounts = tuple(account for account in self.accounts if sharding.owner(account.id, total) == number)
        return msgspec.structs.replace(self, accounts=accounts)

    def of_this_machine(self) -> "Config":
        """Return the configuration for an API on this machine, without the proxy of the environment."""
        return msgspec.structs.replace(self, api=_OfThisMachine(**msgspec.structs.asdict(self.api)))

    def shows(self, secret: str) -> bool:
        """Return whether a visible text of the configuration, such as a name, contains a secret."""
        return exposure.shows(self, secret)

    def without_fresh_tests(self) -> "Config":
        """Return the configuration with the policy tests that exist, and none that the exporter would start.

        Applications are still listed.
        """
        return msgspec.structs.replace(self, accounts=tuple(each.without_fresh_tests() for each in self.accounts))
