"""What a configuration means, in words: for `--config.check`. Says where each secret comes from, never the secret."""

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
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

# What follows each other by which key of the configuration.
BETWEEN = {"interval": "polls", "refresh": "tests"}


@dataclass(frozen=True)
class Asked:
    """What to check beside the configuration of the accounts; with `online`, the permissions of their tokens, too."""

    shard: int = 0
    total_shards: int = 1
    web_config_file: str | None = None
    online: bool = False


def run(config: Config, asked: Asked) -> int:
    """Print what the configuration means, and return 0, or 1 if a token lacks a permission.

    Raises ConfigError for an error in the web configuration.
    """
    written = list(lines(config))
    if asked.total_shards > 1:
        shards = f"{asked.shard} of 0 to {asked.total_shards - 1}"
        written.append(f"shard: {shards}, with {len(config.accounts)} of the accounts")
    questionable = list(warnings(config))
    if asked.web_config_file is not None:
        web_config = WebSettings(asked.web_config_file).config
        written.append(web(web_config))
        questionable += web_config.warnings()
    written += [f"warning: {warning}" for warning in questionable]
    sys.stdout.write("".join(f"{line}\n" for line in written))
    return 0 if not asked.online or _has_permissions(config) else 1


def _has_permissions(config: Config) -> bool:
    """Print which permissions the tokens have, as the answers come; return whether no required one is missing."""
    has_all = True
    sys.stdout.write("permissions, as Cloudflare answers now:\n")
    clients = _clients(config)
    for account in config.accounts:
        sys.stdout.write(f"  account {account.id!r}\n")
        for answer in permissions.answers(account, clients.of(account)):
            sys.stdout.write(f"{answer.line()}\n")
            sys.stdout.flush()
            has_all = has_all and answer.is_good
    return has_all


def _clients(config: Config) -> Clients:
    clients = Clients(RequestMetrics(CollectorRegistry()), Clock())
    clients.configure(config)
    return clients


def lines(config: Config) -> Iterator[str]:
    """Yield the plan, line by line."""
    api = config.api
    yield f"api: {api.url}, {api.timeout:g} s a request, {api.page_size} rows a page"
    yield (
        f"pace: {api.requests_per_second:g} requests/s and bursts of {api.burst} per credential, "
        f"{api.concurrency} in flight"
    )
    clients = _clients(config)
    totals: dict[tuple[tuple[str, str], ...], float] = {}  # requests/h by what is sent: one secret has one budget
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
        yield f"credential of account {names[sent]!r}: at least {total:.10g} of {allowed:.10g} requests/h"
    yield f"in all: at least {sum(totals.values()):.10g} requests/h"


class _Item(NamedTuple):
    """A line of the bill: what is polled, its requests in an hour, and the lines about that."""

    what: str
    requests_per_hour: float
    lines: tuple[str, ...]


def _bill(account: Account, client: Client) -> Iterator[_Item]:
    """Yield what is polled of an account: its cost, how it is polled, and the permissions that it needs."""
    for collector in configured(account, client):
        if plan := collector.plan():
            needed = " and ".join(permission.name for permission in collector.permissions())
            yield _Item(plan.what, plan.requests_per_hour, (plan.cost, plan.how, f"needs {needed}"))


def _written(bill: Sequence[_Item]) -> Iterator[str]:
    """Yield the lines of all items, with the names in one column."""
    widest = max((len(item.what) for item in bill), default=0)
    for item in bill:
        for number, line in enumerate(item.lines):
            yield f"  {'' if number else item.what:<{widest}}  {line}"


def web(config: WebConfig) -> str:
    """Return what a web configuration means, in a line."""
    tls, users, headers, limit = config.tls_server_config, config.basic_auth_users, config.headers, config.rate_limit
    encryption = f"{tls.min_version} to {tls.max_version} with {tls.client_auth_type}" if tls else "no TLS"
    auth = f"basic auth for {len(users)} users" if users else "no basic auth"
    if config.auth_excluded_paths:
        auth += f" but not for {' and '.join(config.auth_excluded_paths)}"
    rate = f", a request each {limit.seconds:g} s and bursts of {limit.burst}" if limit.seconds else ""
    return f"web: {encryption}, {auth}, {'headers ' + ' and '.join(headers) if headers else 'no headers'}{rate}"


def _credential(account: Account) -> Iterator[str]:
    yield f"  API {_kind(account)}: from {account.secret.source}"
    if account.api_email:
        yield f"  e-mail: from {account.api_email.source}"


def _kind(account: Account) -> str:
    return "token" if account.api_token or account.api_token_file else "key"


def warnings(config: Config) -> Iterator[str]:
    """Yield what is allowed but is likely a mistake."""
    url = urlsplit(config.api.url)
    if url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield "api.url is not https: the credential is sent in clear"
    for account in config.accounts:
        yield from _account_warnings(account)
        polled = list(account.polled())
        for where, section in polled:
            if section.stale_after < getattr(section, section.renewed_by):
                between = BETWEEN[section.renewed_by]
                shorter = f"stale_after is shorter than {section.renewed_by}"
                yield f"{where} of account {account.id!r}: {shorter}, so its series vanish between {between}"
        if not polled:
            yield f"account {account.id!r}: nothing of it is polled"


def _account_warnings(account: Account) -> Iterator[str]:
    if not re.fullmatch("[0-9A-Fa-f]{32}", account.id):
        yield f"account {account.id!r}: the id of an account is 32 hexadecimal digits, and this is something else"
    for what, secret in ((f"API {_kind(account)}", account.secret), ("e-mail address", account.api_email)):
        with contextlib.suppress(ConfigError):  # a file that is being replaced
            if secret and secret.is_in_quotes():
                yield f"account {account.id!r}: the {what} is in quotes ({secret.source}), which are sent with it"
