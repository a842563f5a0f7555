"""The running exporter: connects its parts, and starts, reloads and stops them."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Sequence

import prometheus_client

from access_exporter import exposition, logs
from access_exporter.addresses import Address
from access_exporter.background import call
from access_exporter.clock import Clock
from access_exporter.cloudflare import Clients, RequestMetrics
from access_exporter.collectors import AnyCollector, configured
from access_exporter.commands import check
from access_exporter.config import Config
from access_exporter.errors import ConfigError
from access_exporter.exposition import ExporterMetrics, Format
from access_exporter.logs import facts
from access_exporter.options import Options
from access_exporter.polling import Poller, Snapshots, Storage
from access_exporter.serving import Server, StatusPage, Web, WebSettings, listen

log = logging.getLogger(__name__)

OPTIONAL_SECONDS = 5  # `--once` waits this long for each optional target, after all other targets


class App:
    """The running exporter."""

    def __init__(self, options: Options, load: Callable[[], Config], clock: Clock | None = None) -> None:
        """Connect the parts, but start nothing yet. `load` returns the configuration or raises ConfigError.

        Raises StorageError if the folder of `--storage.path` cannot be used.
        """
        self._options = options
        self._load = load
        self._clock = clock or Clock()
        self._reloading = threading.Lock()
        self._reload_waits = threading.Event()
        # The library would add a time series `…_created` for each counter. The exporter has no use for it.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the function has no types
        self._registry = prometheus_client.CollectorRegistry()
        self._own = ExporterMetrics(self._registry, options.shard_number(), options.total_shards)
        self._web_settings = WebSettings(options.web_config_file, options.allowed_hosts)
        storage = Storage(options.storage_path, self._own.storage_errors) if options.storage_path is not None else None
        self._snapshots = Snapshots(self._clock, storage)
        self._poller = Poller(self._snapshots, self._clock)
        self._clients = Clients(RequestMetrics(self._registry), self._clock)
        self._own.targets.set_function(self._targets)
        self._status_page = StatusPage(self._snapshots, options.metrics_path, demo=options.demo)

    def reload(self) -> None:
        """Load the configuration again. Logs and counts an error, and then raises it as ConfigError."""
        try:
            self.load()
        except ConfigError as error:
            self._own.reload_successful.set(0)
            log.error("configuration not loaded", extra=facts(error=error))
            raise

    def load(self) -> None:
        """Load the configuration, and poll its targets from now on.

        Raises ConfigError if the configuration has an error. The exporter then keeps the configuration it has.
        """
        with self._reloading:
            self._reload_waits.clear()
            loaded = self._load()
            self._clients.configure(loaded)
            polled = [each for account in loaded.accounts for each in configured(account, self._clients.of(account))]
            self._status_page.accounts = loaded.accounts
            self._clients.show(endpoint for each in polled for endpoint in each.endpoints)
            self._poller.configure(polled)
            targets = self._targets()
            self._own.reload_successful.set(1)
            self._own.reload_time.set(self._clock.time())
        for warning in check.warnings(loaded):
            log.warning("configuration warning", extra=facts(warning=warning))
        log.info("configuration loaded", extra=facts(accounts=len(loaded.accounts), targets=targets))

    def poll_once(self) -> int:
        """Poll every target once and print the metrics. Return 0, or 1 if a poll of a required target failed."""
        self.poll()
        sys.stdout.buffer.write(self.page())
        sys.stdout.flush()
        return int(any(each.failure for each in self._snapshots.all() if not each.collector.is_optional))

    def poll(self) -> None:
        """Poll every target once: first targets that others need, then other required ones, then optional ones."""
        self._poll([each for each in self._collectors(is_optional=False) if each.is_first])
        self._poll([each for each in self._collectors(is_optional=False) if not each.is_first])
        self._poll(self._collectors(is_optional=True), OPTIONAL_SECONDS)

    def _collectors(self, *, is_optional: bool) -> list[AnyCollector]:
        collectors = (snapshot.collector for snapshot in self._snapshots.all())
        return [each for each in collectors if each.is_optional is is_optional]

    def _targets(self) -> int:
        """Return the number of targets, without the optional ones."""
        return len(self._collectors(is_optional=False))

    def _poll(self, collectors: Iterable[AnyCollector], patience: float | None = None) -> None:
        """Poll these targets at the same time, and wait for each of them for at most `patience` seconds."""
        polls = [threading.Thread(target=self._poller.poll, args=(each,), daemon=True) for each in collectors]
        for poll in polls:
            poll.start()
        for poll in polls:
            if patience is not None:
                poll.join(patience)
            while patience is None and poll.is_alive():
                poll.join(self._snapshots.under_way.report())

    def page(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        own = exposition.encode(self._registry.collect(), Format.TEXT)
        return b"".join(self._snapshots.page(Format.TEXT).text_with(own))

    def serve(self) -> int:
        """Poll and serve until SIGTERM or SIGINT, and return the exit code.

        Raises CommandError if the exporter cannot listen on an address.
        """
        listeners = listen(self._options.listen_addresses)
        with logs.in_background():
            threading.Thread(target=self._poller.run, name="poller", daemon=True).start()
            asyncio.run(self._serve(listeners))
            log.info("stopped")
        return 0

    async def _serve(self, listeners: Sequence[socket.socket]) -> None:
        web = Web(
            self._snapshots,
            self._registry,
            self._status_page,
            self.reload if self._options.lifecycle else None,
            metrics_path=self._options.metrics_path,
            settings=self._web_settings,
        )
        serving = Server(web.respond, self._tls_context, self._options.max_requests)

        def stop() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])  # stop only once
            self._clock.stop.set()
            self._poller.wake()
            serving.stop()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop)
        loop.add_signal_handler(signal.SIGINT, stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        for listener in listeners:
            self._announce(Address(*listener.getsockname()[:2]))
        await serving.serve(listeners)

    def _announce(self, address: Address) -> None:
        """Log an address that the exporter serves on. For port 0, the log line has the port that the system chose."""
        scheme = "https" if self._web_settings.context else "http"
        shown = address._replace(host="localhost") if ipaddress.ip_address(address.host).is_unspecified else address
        log.info("serving", extra=facts(address=str(address), status_page=f"{scheme}://{shown}/"))

    def _tls_context(self) -> ssl.SSLContext | None:
        self._web_settings.refresh()
        return self._web_settings.context

    def _reload_soon(self) -> None:
        """Reload in the background. If a reload already waits to start, do not add another one."""
        if not self._reload_waits.is_set():
            self._reload_waits.set()
            call(self._reload_quietly, "reload")

    def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # `reload` has logged and counted it
            self.reload()
