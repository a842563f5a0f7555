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
from contextlib import ExitStack
from dataclasses import dataclass

import prometheus_client

from access_exporter import __version__, client, config, demo, exposition, logs, plan, server, sharding, status_page
from access_exporter.clock import Clock
from access_exporter.config import Config
from access_exporter.errors import ConfigError
from access_exporter.exposition import Format
from access_exporter.logs import facts
from access_exporter.poller import Poller
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
    log_level: str = "info"
    log_format: str = "logfmt"


def run(options: Options) -> int:
    """Do what the flags say and return the exit code; a mistake in the configuration is one line and 1."""
    logs.setup(options.log_level, options.log_format)
    try:
        with ExitStack() as stack:
            shard = sharding.shard(options.shard, options.total_shards)
            whole = stack.enter_context(demo.account()) if options.demo else _load(options.config_file)
            load = _share(shard, whole)
            if options.check:
                print("\n".join(_plan(options, load)))
                return 0
            app = App(options, shard, load)
            if options.demo:
                log.warning("demo: the numbers come from a simulated account, not from Cloudflare")
            app.load()
            return app.poll_once() if options.once else app.serve()
    except ConfigError as error:
        print(f"cloudflare-access-exporter: {error}", file=sys.stderr)
        return 1


def _plan(options: Options, load: Callable[[], Config]) -> Iterator[str]:
    yield from plan.lines(load())
    if options.web_config_file:
        yield plan.web(WebSettings(options.web_config_file).config)


def _load(path: str) -> Callable[[], Config]:
    return lambda: config.load(path, os.environ)


def _share(shard: Shard, load: Callable[[], Config]) -> Callable[[], Config]:
    return lambda: shard.share_of(load())


class App:
    """The running exporter."""

    def __init__(self, options: Options, shard: Shard, load: Callable[[], Config]) -> None:
        """Wire the parts; nothing runs and nothing is polled yet."""
        self._options = options
        self._load = load
        self._clock = Clock()
        self._reloading = threading.Lock()
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
        targets = [snapshot.target for snapshot in self._snapshots.all()]
        polls = [threading.Thread(target=self._poller.poll, args=(target,), daemon=True) for target in targets]
        for poll in polls:
            poll.start()
        for poll in polls:
            poll.join()
        own = exposition.blocks(self._registry.collect(), Format.TEXT)
        sys.stdout.buffer.write(self._snapshots.part(Format.TEXT).text + exposition.page(own, Format.TEXT))
        sys.stdout.flush()
        return int(any(snapshot.failure for snapshot in self._snapshots.all()))

    def serve(self) -> int:
        """Poll and serve until SIGTERM or SIGINT; return the exit code."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until a reload is possible it must not end the process
        try:
            listener = server.listen(*self._options.listen_address)
        except OSError as error:
            print(f"cloudflare-access-exporter: cannot listen: {error.strerror}", file=sys.stderr)
            return 1
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
            self._clock.stop.set()
            self._poller.wake()
            serving.stop()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop)
        loop.add_signal_handler(signal.SIGINT, stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, self._reload_quietly))
        host, port = listener.getsockname()[:2]
        scheme = "https" if self._web_settings.context else "http"
        named = f"[{host}]" if ":" in host else host
        shown = "localhost" if ipaddress.ip_address(host).is_unspecified else named
        log.info("serving", extra=facts(address=f"{named}:{port}", status_page=f"{scheme}://{shown}:{port}/"))
        await serving.serve(sockets=[listener])

    def _tls_context(self) -> ssl.SSLContext | None:
        self._web_settings.refresh()
        return self._web_settings.context

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
        prometheus_client.ProcessCollector(registry=registry)
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
