"""What a configuration means, in words: for `--config.check`. Says where each secret comes from, never the secret."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from access_exporter.config import Account, Config, PolicyTest, Users
from access_exporter.sharding import Shard
from access_exporter.web_config import WebConfig

REQUESTS_OF_A_FRESH_TEST = 3  # to start it, to see it finished, to page its rows
HIDDEN = "interval, so its series vanish between polls"


def lines(config: Config) -> Iterator[str]:
    """Yield the plan, line by line."""
    api = config.api
    yield f"api: {api.url}, {api.timeout:g} s a request, {api.page_size} rows a page"
    yield (
        f"pace: {api.requests_per_second:g} requests/s and bursts of {api.burst} per credential, "
        f"{api.concurrency} in flight"
    )
    total = 0.0
    for account in config.accounts:
        name = f" ({account.name!r})" if account.name else ""
        yield f"account {account.id!r}{name}"
        yield from _credential(account)
        if account.seat_limit:
            yield f"  seat limit: {account.seat_limit}"
        if users := account.users_config:
            total += 3600 / users.interval
            by_domain = f"the {users.domains} largest domains, " if users.domains else ""
            yield (
                f"  users: polled every {users.interval:.10g} s, stale after {users.stale_after:.10g} s, "
                f"idle days {', '.join(map(str, users.idle_days)) or 'none'}, "
                f"{by_domain}{3600 / users.interval:g} requests/h for each {api.page_size} users"
            )
        for test in account.policy_tests:
            requests = 3600 / test.interval if test.refresh is None else REQUESTS_OF_A_FRESH_TEST * 3600 / test.refresh
            total += requests
            yield (
                f"  policy test {test.label!r}: {_subject(test)}, stale after {test.stale_after:.10g} s, "
                f"{requests:.4g} requests/h{'' if test.id else ' or more'}"
            )
    yield f"in all: at least {total:.10g} requests/h"


def share(shard: Shard, config: Config) -> str:
    """Return what a shard has, in a line."""
    return f"shard: {shard.number} of 0 to {shard.total - 1}, with {len(config.accounts)} of the accounts"


def web(config: WebConfig) -> str:
    """Return what a web configuration means, in a line."""
    tls, users, headers = config.tls_server_config, config.basic_auth_users, config.http_server_config.headers
    encryption = f"{tls.min_version} to {tls.max_version} with {tls.client_auth_type}" if tls else "no TLS"
    auth = f"basic auth for {len(users)} users" if users else "no basic auth"
    return f"web: {encryption}, {auth}, {'headers ' + ' and '.join(headers) if headers else 'no headers'}"


def _subject(test: PolicyTest) -> str:
    if test.refresh is None:
        return f"follows {test.id!r}, polled every {test.interval:.10g} s"
    return f"starts a test of {len(test.policies)} policies every {test.refresh:.10g} s"


def _credential(account: Account) -> Iterator[str]:
    kind = "token" if account.api_token or account.api_token_file else "key"
    yield f"  API {kind}: from {account.secret.source}"
    if account.api_email:
        yield f"  e-mail: from {account.api_email.source}"


def warnings(config: Config) -> Iterator[str]:
    """Yield what is allowed but is likely a mistake."""
    url = urlsplit(config.api.url)
    if url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield "api.url is not https: the credential is sent in clear"
    for account in config.accounts:
        polled = list(_polled(account))
        for where, target in polled:
            is_fresh = isinstance(target, PolicyTest) and target.refresh
            if target.stale_after < (is_fresh or target.interval):
                between = "refresh, so its series vanish between tests" if is_fresh else HIDDEN
                yield f"{where} of account {account.id!r}: stale_after is shorter than {between}"
        if not polled:
            yield f"account {account.id!r}: nothing of it is polled"


def _polled(account: Account) -> Iterator[tuple[str, Users | PolicyTest]]:
    if account.users_config:
        yield "users", account.users_config
    for number, test in enumerate(account.policy_tests):
        yield f"policy_tests[{number}]", test
