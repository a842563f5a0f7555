"""What a configuration means, in words: for `--config.check`. Says where each secret comes from, never the secret."""

import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from access_exporter.config import Account, Config, Duration, PolicyTest
from access_exporter.serving import WebConfig, WebSettings

REQUESTS_OF_A_FRESH_TEST = 3  # to start it, to see it finished, to page its rows
HIDDEN = "interval, so its series vanish between polls"
HIDDEN_BETWEEN_TESTS = "refresh, so its series vanish between tests"


def run(config: Config, shard: int, total_shards: int, web_config_file: str | None) -> int:
    """Print what the configuration means, and return 0; raises ConfigError for a mistake in the web configuration."""
    written = list(lines(config))
    if total_shards > 1:
        written.append(f"shard: {shard} of 0 to {total_shards - 1}, with {len(config.accounts)} of the accounts")
    if web_config_file:
        written.append(web(WebSettings(web_config_file).config))
    written += [f"warning: {warning}" for warning in warnings(config)]
    sys.stdout.write("".join(f"{line}\n" for line in written))
    return 0


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
        for where, interval, stale_after, hidden in _polled(account):
            if stale_after < interval:
                yield f"{where} of account {account.id!r}: stale_after is shorter than {hidden}"
        if not any(_polled(account)):
            yield f"account {account.id!r}: nothing of it is polled"


def _polled(account: Account) -> Iterator[tuple[str, Duration, Duration, str]]:
    """Yield what is polled, the time from one of its numbers to the next, when they are stale, and what that hides."""
    if users := account.users_config:
        yield "users", users.interval, users.stale_after, HIDDEN
    for number, test in enumerate(account.policy_tests):
        if test.refresh:
            yield f"policy_tests[{number}]", test.refresh, test.stale_after, HIDDEN_BETWEEN_TESTS
        else:
            yield f"policy_tests[{number}]", test.interval, test.stale_after, HIDDEN
