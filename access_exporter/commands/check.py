"""`--config.check`: prints what a configuration means, and where each secret comes from, but never the secret."""

import contextlib
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from access_exporter.clock import Clock
from access_exporter.cloudflare import Client, Clients, RequestMetrics
from access_exporter.collectors import configured
from access_exporter.commands import permissions
from access_exporter.config import Account, Config
from access_exporter.errors import ConfigError
from access_exporter.serving import WebConfig, WebSettings

# The key `interval` sets the time between two polls, and the key `refresh` the time between two tests.
BETWEEN = {"interval": "polls", "refresh": "tests"}

_NO_BREAK = "\N{NO-BREAK SPACE}"
_COLUMNS = 100  # of a line, unless a single word is longer
_NAME_COLUMNS = 21  # a longer name of a target stands on a line of its own; the id of a policy test fits beside it


@dataclass(frozen=True)
class Asked:
    """What else to check: this shard, the web configuration and, with `online`, the permissions of the tokens."""

    shard: int = 0
    total_shards: int = 1
    web_config_file: str | None = None
    online: bool = False


def run(config: Config, asked: Asked) -> int:
    """Print what the configuration means, and return the exit code.

    The code is 1 if a token lacks a required permission or if the check cannot find out, and 0 otherwise. Raises
    ConfigError if the web configuration has an error.
    """
    written = list(lines(config))
    if asked.total_shards > 1:
        shards = f"{asked.shard} (of 0 to {asked.total_shards - 1})"
        written.append(f"shard: {shards}, which polls {len(config.accounts)} of the accounts")
    warned = list(warnings(config))
    if asked.web_config_file is not None:
        web_config = WebSettings(asked.web_config_file).config
        written.append(web(web_config))
        warned += web_config.warnings()
    _print([*written, *(f"warning: {warning}" for warning in warned)])
    return 0 if not asked.online or _has_permissions(config) else 1


def _print(texts: Iterable[str]) -> None:
    """Print a line for each text. A line that is too long continues on the next one, with a deeper indentation."""
    for line in texts:
        indent = len(line) - len(line.lstrip()) + 4
        sys.stdout.write("".join(f"{part}\n" for part in _wrapped(line, indent)))
    sys.stdout.flush()


def _wrapped(line: str, indent: int) -> list[str]:
    # No word is broken, so that ids and paths can be copied, and no line ends between a number and its unit.
    whole = re.sub(r"(?<=\d) (?=s\b)", _NO_BREAK, line)
    parts = textwrap.wrap(
        whole, _COLUMNS, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return [part.replace(_NO_BREAK, " ") for part in parts]


def _has_permissions(config: Config) -> bool:
    """Print whether the tokens have each permission. Return whether they have all required ones."""
    has_all = True
    _print(["permissions of the tokens, as Cloudflare reports them now:"])
    clients = _clients(config)
    for account in config.accounts:
        _print([f"  account {account.id!r}"])
        for answer in permissions.answers(account, clients.of(account)):
            _print([answer.line()])
            has_all = has_all and answer.is_good
    return has_all


def _clients(config: Config) -> Clients:
    clients = Clients(RequestMetrics(CollectorRegistry()), Clock())
    clients.configure(config)
    return clients


def lines(config: Config) -> Iterator[str]:
    """Yield lines that say what the exporter polls, how often, and how many requests it needs."""
    api = config.api
    yield f"api: {api.url}, timeout of {api.timeout:g} s per request, {api.page_size} rows per page"
    yield (
        f"pace: {api.requests_per_second:g} requests/s, bursts of {api.burst} and {api.concurrency} requests at a time "
        "per credential"
    )
    clients = _clients(config)
    # Requests/h by the headers of a credential: accounts with the same credential share its rate limit.
    totals: dict[tuple[tuple[str, str], ...], float] = {}
    names: dict[tuple[tuple[str, str], ...], str] = {}
    for account in config.accounts:
        name = f" ({account.name!r})" if account.name else ""
        yield f"account {account.id!r}{name}"
        yield from _credential(account)
        if account.seat_limit:
            yield f"  seat limit: {account.seat_limit}"
        client = clients.of(account)
        sent = tuple(sorted(client.credential.headers().items()))
        names.setdefault(sent, account.id)
        bill = list(_bill(account, client))
        totals[sent] = totals.get(sent, 0) + sum(item.requests_per_hour for item in bill)
        yield from _written(bill)
    allowed = api.requests_per_second * 3600
    for sent, total in totals.items():
        needed = f"needs at least {total:.10g} of {allowed:.10g} requests/h"
        yield f"credential of account {names[sent]!r}: {needed}"
    yield f"total: at least {sum(totals.values()):.10g} requests/h"


class _Item(NamedTuple):
    """A target, its requests per hour, and the lines that describe it."""

    what: str
    requests_per_hour: float
    lines: tuple[str, ...]


def _bill(account: Account, client: Client) -> Iterator[_Item]:
    """Yield the targets of an account with their cost, their schedule and the permissions that they need."""
    for collector in configured(account, client):
        if plan := collector.plan():
            needed = " and ".join(permission.name for permission in collector.permissions())
            yield _Item(plan.what, plan.requests_per_hour, (plan.cost, plan.how, f"needs {needed}"))


def _written(bill: Sequence[_Item]) -> Iterator[str]:
    """Yield the lines of all targets, with the names in one column and a long name on a line of its own."""
    widest = max((len(item.what) for item in bill if len(item.what) <= _NAME_COLUMNS), default=0)
    for item in bill:
        name = item.what
        if len(name) > _NAME_COLUMNS:
            yield f"  {name}"
            name = ""
        for line in item.lines:
            yield from _wrapped(f"  {name:<{widest}}  {line}", widest + 6)
            name = ""


def web(config: WebConfig) -> str:
    """Return a line that says what a web configuration means."""
    tls, users, headers, limit = config.tls_server_config, config.basic_auth_users, config.headers, config.rate_limit
    encryption = f"{tls.min_version} to {tls.max_version} with {tls.client_auth_type}" if tls else "no TLS"
    auth = f"basic auth for {len(users)} user{'s' * (len(users) > 1)}" if users else "no basic auth"
    if config.auth_excluded_paths:
        auth += f" except for {' and '.join(config.auth_excluded_paths)}"
    rate = f", one request per {limit.seconds:g} s with bursts of {limit.burst}" if limit.seconds else ""
    return f"web: {encryption}, {auth}, {'headers ' + ' and '.join(headers) if headers else 'no headers'}{rate}"


def _credential(account: Account) -> Iterator[str]:
    yield f"  API {_kind(account)}: from {account.secret.source}"
    if account.api_email:
        yield f"  e-mail: from {account.api_email.source}"


def _kind(account: Account) -> str:
    return "token" if account.api_token or account.api_token_file else "key"


def warnings(config: Config) -> Iterator[str]:
    """Yield a warning for each setting that is allowed but is probably an error."""
    url = urlsplit(config.api.url)
    if url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield "api.url is not https, so the credential is sent unencrypted; use https"
    for account in config.accounts:
        yield from _account_warnings(account)
        polled = list(account.polled())
        for where, section in polled:
            if section.stale_after < getattr(section, section.renewed_by):
                between = BETWEEN[section.renewed_by]
                shorter = f"stale_after is shorter than {section.renewed_by}"
                effect = f"so the series disappear between {between}; raise stale_after"
                yield f"{where} of account {account.id!r}: {shorter}, {effect}"
        if not polled:
            yield f"account {account.id!r}: nothing is polled; add users, devices, service_tokens or policy_tests"


def _account_warnings(account: Account) -> Iterator[str]:
    if not re.fullmatch("[0-9A-Fa-f]{32}", account.id):
        yield f"account {account.id!r}: the id is not 32 hexadecimal digits; copy it from Cloudflare's dashboard"
    for what, secret in ((f"API {_kind(account)}", account.secret), ("e-mail address", account.api_email)):
        with contextlib.suppress(ConfigError):  # somebody is replacing the file at this moment
            if secret and secret.is_in_quotes():
                fix = "Cloudflare gets the quotes as well; remove them"
                yield f"account {account.id!r}: the {what} is in quotes ({secret.source}); {fix}"
