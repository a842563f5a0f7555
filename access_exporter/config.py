"""The configuration file: read, completed from the environment, checked strictly, typed and frozen.

Every mistake raises ConfigError with one message: the file, the path in it (`accounts[0].users.interval`) and what
was expected. Values are only named where they cannot be a secret.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import yaml

from access_exporter.credentials import Secret
from access_exporter.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Duration(float):
    """A time span in seconds, written as `90s`, `5m`, `1h30m`, `1d` or a number of seconds."""

    minimum: ClassVar[float] = 0.001
    expectation: ClassVar[str] = "a duration such as 90s, 5m, 2h or 1d, or a number of seconds, above 0"

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Return the span a configuration value names; raises ValueError saying what was expected."""
        seconds = _seconds(value)
        if seconds is None or not cls.minimum <= seconds < float("inf"):
            raise ValueError(f"expected {cls.expectation}")
        return cls(seconds)


class Interval(Duration):
    """A time between two polls: at least ten seconds, so that a typing error cannot eat Cloudflare's budget."""

    minimum = 10.0
    expectation = "a duration of at least 10s, such as 90s, 5m, 2h or 1d, or a number of seconds"


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
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
    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 2
    burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 40
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4


class Users(_Section, frozen=True, kw_only=True):
    """How an account's users are polled."""

    interval: Interval = Interval(300)
    stale_after: Duration = Duration(1800)
    idle_days: tuple[Annotated[int, msgspec.Meta(ge=1, le=36500)], ...] = (30, 60, 90)


class PolicyTest(_Section, frozen=True, kw_only=True):
    """One policy test: followed by its id, or started afresh from reusable policies."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    name: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    interval: Interval = Interval(300)
    stale_after: Duration = Duration(1800)
    policies: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...] = ()
    refresh: Interval | None = None

    @property
    def label(self) -> str:
        """The value of the label `policy_test`: the name, or else the id."""
        return self.name or self.id or ""


class Account(_Section, frozen=True, kw_only=True):
    """One Cloudflare account and what to poll of it."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    name: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    api_token: Secret | None = None
    api_token_file: str | None = None
    api_email: Secret | None = None
    api_key: Secret | None = None
    api_key_file: str | None = None
    seat_limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
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
        return Secret(source=f"file {path}", path=path)


class Config(_Section, frozen=True, kw_only=True):
    """The whole configuration file."""

    api: Api = Api()
    accounts: Annotated[tuple[Account, ...], msgspec.Meta(min_length=1)]


_KEYS = {"": Config, "api": Api, "accounts": Account, "users": Users, "policy_tests": PolicyTest}


def load(path: str, environ: Mapping[str, str]) -> Config:
    """Read, complete and check the configuration file.

    Raises ConfigError, saying the file, the place and the expectation, for anything that is not as documented.
    """
    try:
        tree = _parse(path)
        config = msgspec.convert(_expand(tree, "", environ), Config, dec_hook=_hook)
        for where, problem in _problems(config):
            raise _Mistake(where, problem)
    except _Mistake as mistake:
        raise ConfigError(f"{path}: {mistake}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_in_words(str(error))}") from None
    return config


class _Mistake(Exception):
    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses what would otherwise be lost in silence: duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise _Mistake(_line(key), "expected a mapping whose keys are plain words")
            if key.value in seen:
                raise _Mistake(_line(key), f"duplicate key `{key.value}`")
            seen.add(key.value)
        return super().construct_mapping(node, deep=True)


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _parse(path: str) -> Any:
    try:
        tree = _Loader(Path(path).read_bytes().decode()).get_single_data()
    except OSError as error:
        raise _Mistake("", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Mistake("", "expected UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise _Mistake(line, f"expected valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _Mistake("", "expected valid YAML without control characters") from None
    if not isinstance(tree, dict):
        raise _Mistake("", "expected a mapping with the keys `accounts` and, optionally, `api`")
    return tree


class _Expanded(str):
    """A string completed from the environment, which remembers the variables' names."""

    source: str


_NUMBERS = frozenset(("page_size", "requests_per_second", "burst", "concurrency", "seat_limit"))


def _expand(node: Any, where: str, environ: Mapping[str, str]) -> Any:
    """Replace `${NAME}` in every string, and drop keys without a value: their defaults hold."""
    if isinstance(node, dict):
        tree = {}
        for key, value in node.items():
            expanded = _expand(value, f"{where}.{key}" if where else key, environ)
            if isinstance(expanded, _Expanded) and key in _NUMBERS:
                expanded = _number(expanded)
            if expanded is not None:
                tree[key] = expanded
        return tree
    if isinstance(node, list):
        return [_expand(value, f"{where}[{index}]", environ) for index, value in enumerate(node)]
    if not isinstance(node, str) or "${" not in node:
        return node
    return _substitute(node, where, environ)


def _substitute(text: str, where: str, environ: Mapping[str, str]) -> _Expanded:
    names = _VARIABLE.findall(text)
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise _Mistake(where, "expected ${NAME} with the name of an environment variable")
        if not environ.get(name):
            raise _Mistake(where, f"the environment variable `{name}` is not set or is empty")
    expanded = _Expanded(_VARIABLE.sub(lambda match: environ[match[1]], text))
    expanded.source = "environment variable " + " and ".join(names)
    return expanded


def _number(text: str) -> Any:
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        return text


def _hook(kind: type, value: object) -> object:
    if issubclass(kind, Duration):
        return kind.parse(value)
    if not isinstance(value, str):
        raise ValueError("expected a string")
    return Secret(source=getattr(value, "source", "configuration file"), value=str(value))


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def _in_words(message: str) -> str:
    """Turn msgspec's message into `place: expectation`, in the words of the file."""
    problem, _, where = message.partition(" - at `")
    where = where.rstrip("`").removeprefix("$").removeprefix(".")
    if field := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{where}.{field[1]}: required, but missing".lstrip(".")
    if field := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        section = _KEYS[re.sub(r"\[\d+\]$", "", where).rpartition(".")[2]]
        problem = f"unknown key `{field[1]}`; expected one of {', '.join(section.__struct_fields__)}"
    problem = problem.replace(" | null", "")
    problem = re.sub(r"`([a-z |]+)`", lambda match: _types_in_words(match[1]), problem)
    problem = problem[0].lower() + problem[1:]
    return f"{where}: {problem}" if where else problem


def _types_in_words(union: str) -> str:
    return " or ".join(_TYPES.get(kind, kind) for kind in union.split(" | "))


def _problems(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what the types cannot say, as place and expectation."""
    url = urlsplit(config.api.url)
    if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment or url.username:
        yield "api.url", "expected an address such as https://api.cloudflare.com/client/v4"
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
                yield place, f"another policy test of this account has the label `{test.label}`; expected each once"


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
