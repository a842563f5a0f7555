"""The flags of the command line."""

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from access_exporter import __version__
from access_exporter.errors import UsageError


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

    def shard_number(self, environ: Mapping[str, str] = os.environ) -> int:
        """Return the number of this shard; without --shard, that at the end of a StatefulSet's pod name.

        The name is the environment's POD_NAME, or else the host name. Raises UsageError where there is no such shard,
        or no number to be found.
        """
        number = self.shard if self.shard is not None or self.total_shards == 1 else _ordinal(environ)
        if not 0 <= (number or 0) < self.total_shards:
            expected = f"a number below --total-shards, which is {self.total_shards}"
            raise UsageError(f"--shard: expected {expected}; got {number}")
        return number or 0


def _ordinal(environ: Mapping[str, str]) -> int:
    """Return the number at the end of the name of a StatefulSet's pod."""
    named = environ.get("POD_NAME")
    found = re.fullmatch(r".*-([0-9]{1,6})", named or socket.gethostname())
    if found is None:
        where = "POD_NAME" if named else "the host name"
        raise UsageError(f"--shard: required with --total-shards, since {where} ends in no pod's number")
    return int(found[1])


def parse(arguments: Sequence[str] | None) -> Options:
    """Return what the flags say; a mistake is told, and ends the process with exit code 2."""
    parser = _parser()
    options = parser.parse_args(arguments, Options())
    if options.idle_seats is None and (options.account, options.format) != (None, None):
        parser.error("--account and --format go with --idle-seats")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudflare-access-exporter",
        description="Prometheus exporter for Cloudflare Access: seats, devices and policy test results.",
        allow_abbrev=False,
    )

    def flag(name: str, destination: str, text: str, **settings: object) -> None:
        parser.add_argument(name, dest=destination, help=text, default=argparse.SUPPRESS, **settings)  # type: ignore[arg-type]

    flag("--config.file", "config_file", "configuration file (default: config.yaml)", metavar="FILE")
    flag("--config.check", "check", "check the configuration, print what it means, and exit", action="store_true")
    flag("--once", "once", "poll every target once, print the metrics, and exit", action="store_true")
    flag("--demo", "demo", "poll a simulated account inside the exporter", action="store_true")
    flag(
        "--web.listen-address",
        "listen_address",
        "address to serve on (default: :10060)",
        metavar="HOST:PORT",
        type=_address,
    )
    flag("--web.telemetry-path", "metrics_path", "path of the metrics (default: /metrics)", metavar="PATH", type=_path)
    flag("--web.config.file", "web_config_file", "TLS and basic auth, in the exporter-toolkit's format", metavar="FILE")
    flag("--storage.path", "storage_path", "folder that keeps the last good numbers across restarts", metavar="DIR")
    flag("--web.enable-lifecycle", "lifecycle", "allow reloading by POST /-/reload", action="store_true")
    flag("--shard", "shard", "number of this shard, from 0 (default: from the pod's name)", metavar="N", type=_count)
    flag("--total-shards", "total_shards", "exporters that share the accounts (default: 1)", metavar="N", type=_count)
    flag(
        "--idle-seats",
        "idle_seats",
        "list who holds a seat that has been idle for so long, such as 90d, and exit",
        metavar="TIME",
        type=_idle_time,
    )
    flag("--account", "account", "list this account only (default: every account)", metavar="ID")
    flag("--format", "format", "table, csv or json (default: table)", choices=("table", "csv", "json"))
    flag(
        "--log.level",
        "log_level",
        "debug, info, warn or error (default: info)",
        choices=("debug", "info", "warn", "error"),
    )
    flag("--log.format", "log_format", "logfmt or json (default: logfmt)", choices=("logfmt", "json"))
    parser.add_argument("--version", action="version", version=f"cloudflare-access-exporter {__version__}")
    return parser


_ADDRESS = re.compile(r"(?:([\w.-]*)|\[([\w:.%-]+)\]):(\d{1,5})", re.ASCII)


def _address(text: str) -> tuple[str, int]:
    address = _ADDRESS.fullmatch(text)
    if not address or int(address[3]) > 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, [IPv6 address]:PORT or :PORT, got {text!r}")
    return address[1] or address[2] or "", int(address[3])


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def _idle_time(text: str) -> float:
    from access_exporter.commands.idle_seats import IdleTime  # noqa: PLC0415 – takes longer than all the rest

    try:
        return IdleTime.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None


def _path(text: str) -> str:
    if not re.fullmatch(r"/[\w.~/-]+", text, re.ASCII) or text.startswith("/-/"):
        raise argparse.ArgumentTypeError("expected a path such as /metrics, not one the exporter uses itself")
    return text
