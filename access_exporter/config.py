"""The configuration file: read, completed from the environment, checked strictly, typed and frozen.

Every mistake raises ConfigError with one message: the file, the path in it (`accounts[0].users.interval`) and what
was expected. Values are only named where they cannot be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import requests

from access_exporter import strict_yaml
from access_exporter.credentials import Secret
from access_exporter.errors import ConfigError
from access_exporter.secrecy import named
from access_exporter.strict_yaml import Mistake

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Duration(float):
    """A time span in seconds, written as `90s`, `5m`, `1h30m`, `1d` or a number of seconds."""

    minimum: ClassVar[float] = 0.001
    maximum: ClassVar[float] = 365 * 86400  # a wait of centuries is more than the system's timers take
    expectation: ClassVar[str] = "a duration from 1ms to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Return the span a configuration value names; raises ValueError saying what was expected."""
        seconds = _seconds(value)
        if seconds is None or not cls.minimum <= seconds <= cls.maximum:
            raise ValueError(f"expected {cls.expectation}")
        return cls(seconds)


class Interval(Duration):
    """A time between two polls: at least ten seconds, so that a typing error cannot eat Cloudflare's budget."""

    minimum = 10.0
    expectation = "a duration from 10s to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(f"(?:{_DURATION_PART.pattern})+", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))


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

    @property
    def users_config(self) -> Users | None:
        """The settings of the users poll, or None where it is switched off."""
        if isinstance(self.users, Users):
            return self.users
        return Users() if self.users else None

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


_SECTIONS = {
    "": Config,
    "api": Api,
    "accounts[]": Account,
    "accounts[].users": Users,
    "accounts[].policy_tests[]": PolicyTest,
}


def load(path: str, environ: Mapping[str, str]) -> Config:
    """Read, complete and check the configuration file.

    Raises ConfigError, saying the file, the place and the expectation, for anything that is not as documented.
    """
    try:
        tree = strict_yaml.read(path)
        if not isinstance(tree, dict):
            raise Mistake("", "expected a mapping with the keys `accounts` and, optionally, `api`")
        config = strict_yaml.convert(_expand(tree, "", environ), Config, _hook)
        for where, problem in _problems(config):
            raise Mistake(where, problem)
    except Mistake as mistake:
        raise ConfigError(f"{path}: {mistake}") from None
    return config


class _Expanded(str):
    """A string completed from the environment, which remembers the variables' names."""

    source: str


_NUMBERS = frozenset(("page_size", "requests_per_second", "burst", "concurrency", "seat_limit", "domains"))


def _expand(node: Any, where: str, environ: Mapping[str, str]) -> Any:
    """Replace `${NAME}` in every string, refuse unknown keys, and drop keys without a value: their defaults hold."""
    if isinstance(node, dict):
        strict_yaml.check_known(node, where, _SECTIONS)
        pairs = ((key, _expand(value, f"{where}.{key}".lstrip("."), environ)) for key, value in node.items())
        return {key: _number(value) if key in _NUMBERS else value for key, value in pairs if value is not None}
    if isinstance(node, list):
        return [_expand(value, f"{where}[{index}]", environ) for index, value in enumerate(node)]
    if not isinstance(node, str):
        return node
    text = _substitute(node, where, environ) if "${" in node else node
    if _SURROGATE.search(text):
        problem = "expected Unicode, got half of a surrogate pair: an escape \\ud800 to \\udfff, or bytes not in UTF-8"
        raise Mistake(where, problem)
    return text


def _substitute(text: str, where: str, environ: Mapping[str, str]) -> _Expanded:
    if "${" in _VARIABLE.sub(" ", text):
        raise Mistake(where, "expected ${NAME} with the name of an environment variable")
    names = _VARIABLE.findall(text)
    for name in names:
        if not environ.get(name):
            raise Mistake(where, f"{named('the environment variable', name)} is not set or is empty")
    expanded = _Expanded(_VARIABLE.sub(lambda match: environ[match[1]], text))
    expanded.source = "environment variable " + " and ".join(names)
    return expanded


def _number(text: Any) -> Any:
    if not isinstance(text, _Expanded):
        return text
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        return text


def _hook(kind: type, value: object) -> object:
    if issubclass(kind, Duration):
        return kind.parse(value)
    if not isinstance(value, str):
        raise ValueError("expected a string; put the value in quotes")
    return Secret(source=getattr(value, "source", "configuration file"), value=str(value))


def _problems(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what the types cannot say, as place and expectation."""
    if not _is_address(config.api.url):
        yield "api.url", "expected an address such as https://api.cloudflare.com/client/v4, without user and query"
    ids = [account.id for account in config.accounts]
    for index, account in enumerate(config.accounts):
        where = f"accounts[{index}]"
        if account.id in ids[:index]:
            yield f"{where}.id", "the same account stands in the list twice; expected each id once"
        if account.id in (".", ".."):
            yield f"{where}.id", "expected an account id"
        yield from _credential_problems(account, where)
        users = account.users_config
        if users and len(set(users.idle_days)) < len(users.idle_days):
            yield f"{where}.users.idle_days", "expected each number of days once"
        labels = [test.label for test in account.policy_tests]
        for number, test in enumerate(account.policy_tests):
            place = f"{where}.policy_tests[{number}]"
            yield from _policy_test_problems(test, place)
            if test.label in labels[:number]:
                yield place, f"another policy test of this account has the label {test.label!r}; expected each once"


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        host_and_port = bool(url.hostname) and url.port != 0
        requests.Request("GET", text).prepare()  # has an opinion on names of hosts, too
    except ValueError:
        return False
    return url.scheme in ("https", "http") and host_and_port and not re.search(r"[\s@?#]", text)


def _credential_problems(account: Account, where: str) -> Iterator[tuple[str, str]]:
    given = [
        name
        for name in ("api_token", "api_token_file", "api_key", "api_key_file")
        if getattr(account, name) is not None
    ]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield (
            where,
            f"expected one of api_token, api_token_file, or api_email with api_key or api_key_file; got {found}",
        )
        return
    with_key = given[0].startswith("api_key")
    if with_key and not account.api_email:
        yield f"{where}.api_email", f"required with {given[0]}, but missing"
    if account.api_email and not with_key:
        yield f"{where}.api_email", f"goes with api_key or api_key_file, not with {given[0]}"
    for name, secret in ((given[0], account.secret), ("api_email", account.api_email)):
        try:
            if secret:
                secret.read()
        except ConfigError as error:
            yield f"{where}.{name}", str(error)


def _policy_test_problems(test: PolicyTest, where: str) -> Iterator[tuple[str, str]]:
    if (test.id is None) == (not test.policies):
        yield where, "expected either id, to follow a policy test, or policies, to start fresh ones"
    elif test.id in (".", ".."):
        yield f"{where}.id", "expected a policy test id"
    elif test.policies and not test.name:
        yield f"{where}.name", "required with policies, but missing"
    elif test.refresh and not test.policies:
        yield f"{where}.refresh", "goes with policies, not with id"
