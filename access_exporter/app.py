"""Wires everything, and owns start, reload and stop."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import platform
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import prometheus_client
from msgspec.structs import replace

from access_exporter import (
    __version__,
    client,
    config,
    exposition,
    logs,
    memory,
    plan,
    server,
    sharding,
    status_page,
)
from access_exporter.background import call
from access_exporter.clock import Clock
from access_exporter.config import Config
from access_exporter.errors import ConfigError, UsageError
from access_exporter.exposition import Format
from access_exporter.logs import facts
from access_exporter.poller import Poller
from access_exporter.process import ProcessCollector
from access_exporter.sharding import Shard
from access_exporter.snapshots import Snapshots
from access_exporter.storage import Storage
from access_exporter.targets import Targets
from access_exporter.web import Web
from access_exporter.web_config import WebSettings

log = logging.getLogger(__name__)


@dataclass
class Options:
    """The flags of the command line, with their defaults."""

    config_file: str = "config.yaml"
    check: bool = False
    once: bool = False
    demo: bool = False
    listen_address: tuple[str, int] = ("", 10060)
    metrics_path: str = "/metrics"
    web_config_file: str | None = None
    storage_path: str | None = None
    lifecycle: bool = False
    shard: int | None = None
    total_shards: int = 1
    idle_seats: float | None = None
    account: str | None = None
    format: str | None = None
    log_level: str = "info"
    log_format: str = "logfmt"


def run(options: Options) -> int:
    """Do what the flags say and return the exit code; a mistake is one line, and 1, or 2 where a flag has it."""
    logs.setup(options.log_level, options.log_format)
    memory.keep_small()
    try:
        with ExitStack() as stack:
            shard = sharding.shard(options.shard, options.total_shards)
            whole = stack.enter_context(_demo()) if options.demo else _load(options)
            load = _share(shard, whole)
            if options.check:
                print("\n".join(_plan(options, shard, load)))
                return 0
            if options.demo:
                log.warning("demo: the numbers come from a simulated account, not from Cloudflare")
            if options.idle_seats is not None:
                return _list_idle_seats(options.idle_seats, options, load())
            app = App(options, shard, load)
            app.load()
            return app.poll_once() if options.once else app.serve()
    except (ConfigError, UsageError) as error:
        print(f"cloudflare-access-exporter: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


# Imported only where they are asked for, so that every other start is shorter.
def _demo() -> AbstractContextManager[Callable[[], Config]]:
    from access_exporter import demo  # noqa: PLC0415

    return demo.account()


def _list_idle_seats(days: float, options: Options, loaded: Config) -> int:
    from access_exporter import idle_seats  # noqa: PLC0415

    return idle_seats.run(loaded, days, options.account, options.format or "table", Clock())


def _plan(options: Options, shard: Shard, load: Callable[[], Config]) -> Iterator[str]:
    loaded = load()
    yield from plan.lines(loaded)
    if shard.total > 1:
        yield plan.share(shard, loaded)
    if options.web_config_file:
        yield plan.web(WebSettings(options.web_config_file).config)
    yield from (f"warning: {warning}" for warning in plan.warnings(loaded))


def _load(options: Options) -> Callable[[], Config]:
    def load() -> Config:
        loaded = config.load(options.config_file, os.environ)
        return _without_fresh_tests(loaded) if options.once and not options.storage_path else loaded

    return load


def _without_fresh_tests(loaded: Config) -> Config:
    """Leave out what would be started: without a memory each run would start a test, and see none of them finish."""
    accounts = tuple(
        replace(account, policy_tests=tuple(test for test in account.policy_tests if test.id))
        for account in loaded.accounts
    )
    if accounts != loaded.accounts:
        log.warning("no policy test is started: --once needs --storage.path to know what it started before")
    return replace(loaded, accounts=accounts)


def _share(shard: Shard, load: Callable[[], Config]) -> Callable[[], Config]:
    return lambda: shard.share_of(load())


class App:
    """The running exporter."""

    def __init__(self, options: Options, shard: Shard, load: Callable[[], Config], clock: Clock | None = None) -> None:
        """Wire the parts; nothing runs and nothing is polled yet."""
        self._options = options
        self._load = load
        self._clock = clock or Clock()
        self._reloading = threading.Lock()
        self._reload_waits = threading.Event()
        # A series beside each counter that nobody asks for.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = prometheus_client.CollectorRegistry()
        self._own = OwnMetrics(self._registry, shard)
        self._web_settings = WebSettings(options.web_config_file)
        storage = Storage(options.storage_path, self._own.storage_errors) if options.storage_path else None
        self._snapshots = Snapshots(self._clock, storage)
        self._poller = Poller(self._snapshots, self._clock)
        self._targets = Targets(client.Metrics(self._registry), self._clock)
        self._config: Config | None = None

    def reload(self) -> None:
        """As `load`, and note a mistake in the log and the metrics."""
        try:
            self.load()
        except ConfigError as error:
            self._own.reload_successful.set(0)
            log.error("configuration not loaded", extra=facts(error=error))
            raise

    def load(self) -> None:
        """Load the configuration and poll by it; raises ConfigError and changes nothing when it has a mistake."""
        with self._reloading:
            self._reload_waits.clear()
            loaded = self._load()
            targets = self._targets.of(loaded)
            self._config = loaded
            self._poller.configure(targets)
            self._own.targets.set(len(targets))
            self._own.reload_successful.set(1)
            self._own.reload_time.set(self._clock.time())
        for warning in plan.warnings(loaded):
            log.warning("questionable configuration", extra=facts(warning=warning))
        log.info("configuration loaded", extra=facts(accounts=len(loaded.accounts), targets=len(targets)))

    def poll_once(self) -> int:
        """Poll every target once and print the metrics; return 0, or 1 if a poll failed."""
        self.poll()
        sys.stdout.buffer.write(self.page())
        sys.stdout.flush()
        return int(any(snapshot.failure for snapshot in self._snapshots.all()))

    def poll(self) -> None:
        """Poll every target once, all at the same time."""
        targets = [snapshot.target for snapshot in self._snapshots.all()]
        polls = [threading.Thread(target=self._poller.poll, args=(target,), daemon=True) for target in targets]
        for poll in polls:
            poll.start()
        for poll in polls:
            poll.join()

    def page(self) -> bytes:
        """Return the metrics in the text format."""
        own = exposition.blocks(self._registry.collect(), Format.TEXT)
        return self._snapshots.part(Format.TEXT).text + exposition.page(own, Format.TEXT)

    def serve(self) -> int:
        """Poll and serve until SIGTERM or SIGINT; return the exit code."""
        try:
            listener = server.listen(*self._options.listen_address)
        except OSError as error:
            print(f"cloudflare-access-exporter: cannot listen: {error.strerror}", file=sys.stderr)
            return 1
        with logs.in_background():
            threading.Thread(target=self._poller.run, name="poller", daemon=True).start()
            asyncio.run(self._serve(listener))
            log.info("stopped")
        return 0

    async def _serve(self, listener: socket.socket) -> None:
        web = Web(
            self._snapshots,
            self._registry,
            self._status,
            self.reload if self._options.lifecycle else None,
            metrics_path=self._options.metrics_path,
            settings=self._web_settings,
        )
        serving = server.server(web, self._tls_context)

        def stop() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])  # once is enough
            self._clock.stop.set()
            self._poller.wake()
            serving.stop()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop)
        loop.add_signal_handler(signal.SIGINT, stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        host, port = listener.getsockname()[:2]
        scheme = "https" if self._web_settings.context else "http"
        named = f"[{host}]" if ":" in host else host
        shown = "localhost" if ipaddress.ip_address(host).is_unspecified else named
        log.info("serving", extra=facts(address=f"{named}:{port}", status_page=f"{scheme}://{shown}:{port}/"))
        await serving.serve(sockets=[listener])

    def _tls_context(self) -> ssl.SSLContext | None:
        self._web_settings.refresh()
        return self._web_settings.context

    def _reload_soon(self) -> None:
        """Reload in the background; what waits for its turn is as good for whoever asks again meanwhile."""
        if not self._reload_waits.is_set():
            self._reload_waits.set()
            call(self._reload_quietly, "reload")

    def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # logged and counted where it was raised
            self.reload()

    def _status(self) -> str:
        rows = [status_page.Row(snapshot, self._snapshots.is_fresh(snapshot)) for snapshot in self._snapshots.all()]
        accounts = self._config.accounts if self._config else ()
        return status_page.render(
            accounts, rows, self._clock.time(), self._options.metrics_path, demo=self._options.demo
        )


class OwnMetrics:
    """What the exporter says about itself."""

    def __init__(self, registry: prometheus_client.CollectorRegistry, shard: Shard) -> None:
        """Register the families."""
        registry.register(ProcessCollector())
        prometheus_client.PlatformCollector(registry=registry)
        prometheus_client.GCCollector(registry=registry)
        prometheus_client.Gauge(
            "cloudflare_access_exporter_build_info",
            "The running version; always 1.",
            ["version", "python_version"],
            registry=registry,
        ).labels(__version__, platform.python_version()).set(1)
        prometheus_client.Gauge(
            "cloudflare_access_exporter_shard_info",
            "Which of how many exporters this is, counted from 0; always 1.",
            ["shard", "total_shards"],
            registry=registry,
        ).labels(str(shard.number), str(shard.total)).set(1)
        prometheus_client.Gauge(
            "cloudflare_access_exporter_shards",
            "How many exporters share the accounts, as --total-shards says.",
            registry=registry,
        ).set(shard.total)
        self.targets = prometheus_client.Gauge(
            "cloudflare_access_exporter_targets",
            "Targets this exporter polls: lists of users and policy tests.",
            registry=registry,
        )
        self.storage_errors = prometheus_client.Counter(
            "cloudflare_access_exporter_storage_errors",
            "Times that numbers could not be written to or read from the folder of --storage.path.",
            registry=registry,
        )
        self.reload_successful = prometheus_client.Gauge(
            "cloudflare_access_exporter_config_last_reload_successful",
            "1 where the last load of the configuration succeeded, 0 where it failed and the one before is kept.",
            registry=registry,
        )
        self.reload_time = prometheus_client.Gauge(
            "cloudflare_access_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded, in seconds since the epoch.",
            registry=registry,
        )
