"""From the configuration to the targets that are polled, with the credentials, paces and clients they share."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from access_exporter.client import Client, Metrics
from access_exporter.clock import Clock
from access_exporter.collectors import fresh_policy_tests, policy_tests, users
from access_exporter.collectors.fresh_policy_tests import FreshSummary, FreshTest
from access_exporter.config import Account, Api, Config, PolicyTest, Users
from access_exporter.credentials import Credential
from access_exporter.pacing import Pacers
from access_exporter.snapshots import Key, Target

T = TypeVar("T")
_Share = Callable[[object, Callable[[], T]], T]


class Targets:
    """Makes targets, and keeps across reloads what must outlive them: connections, and the pace of each secret."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        """Start with nothing to share."""
        self._metrics = metrics
        self._clock = clock
        self._pacers = Pacers(clock)
        self._shared: dict[object, Any] = {}

    def of(self, config: Config) -> list[Target]:
        """Return the targets of a configuration, in its order, and read the secret files again.

        Raises ConfigError when a secret cannot be read; what is shared is then as it was.
        """
        kept: dict[object, Any] = {}

        def share(key: object, make: Callable[[], Any]) -> Any:
            if key not in kept:
                kept[key] = self._shared[key] if key in self._shared else make()
            return kept[key]

        targets = [target for account in config.accounts for target in self._of_account(config.api, account, share)]
        self._shared = kept
        self._metrics.credentials = [each for each in kept.values() if isinstance(each, Credential)]
        self._pace(config.api)
        return targets

    def _pace(self, api: Api) -> None:
        in_use = [credential.headers() for credential in self._metrics.credentials]
        self._pacers.configure(api.requests_per_second, api.burst, api.concurrency, in_use)

    def client(self, api: Api, account: Account) -> Client:
        """Return what asks in the name of an account, at the pace of its credential; raises ConfigError as `of`."""

        def share(key: object, make: Callable[[], Any]) -> Any:
            if key not in self._shared:
                self._shared[key] = make()
            return self._shared[key]

        self._pace(api)
        return self._client(api, account, share)

    def _of_account(self, api: Api, account: Account, share: _Share[Any]) -> Iterator[Target]:
        client = self._client(api, account, share)
        if account.users_config:
            yield self._users(client, api, account, account.users_config)
        for test in account.policy_tests:
            yield self._policy_test(client, api, account, test)

    def _client(self, api: Api, account: Account, share: _Share[Any]) -> Client:
        source = (account.api_email, account.secret)
        credential: Credential = share(source, lambda: Credential(account.id, *source))
        credential.refresh()
        # The same secret from two sources is one credential to Cloudflare: the pace goes by the secret.
        make = partial(Client, api, credential, self._pacers.of, self._metrics, self._clock)
        client: Client = share((source, api), make)
        return client

    def _users(self, client: Client, api: Api, account: Account, config: Users) -> Target:
        return Target(
            key=Key(account.id, users.NAME, users.NAME),
            subject=api.url.rstrip("/"),
            settings=(api, account.secret, account.api_email, account.name, account.seat_limit, config),
            interval=config.interval,
            stale_after=config.stale_after,
            summary=users.UsersSummary,
            fetch=lambda previous, now, _: users.fetch(client, account.id, config, previous, now),
            families=partial(users.families, account),
        )

    def _policy_test(self, client: Client, api: Api, account: Account, config: PolicyTest) -> Target:
        target = partial(
            Target,
            key=Key(account.id, policy_tests.NAME, config.label),
            settings=(api, account.secret, account.api_email, config),
            interval=config.interval,
            stale_after=config.stale_after,
        )
        if config.id:
            return target(
                subject=(api.url.rstrip("/"), config.id),
                summary=policy_tests.PolicyTestSummary,
                fetch=lambda previous, now, _: policy_tests.fetch(client, account.id, config, previous, now),
                families=partial(policy_tests.families, account, config),
            )
        return target(
            subject=(api.url.rstrip("/"), tuple(sorted(set(config.policies)))),
            summary=FreshSummary,
            fetch=FreshTest(client, account.id, config).fetch,
            families=partial(fresh_policy_tests.families, account, config),
            pause=partial(fresh_policy_tests.pause, config),
            made=fresh_policy_tests.made,
        )
