"""The flags of the command line: one table, which the parser, `--help` and docs/flags.md are made from."""

import argparse
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from access_exporter import __version__, flag_values
from access_exporter.errors import UsageError
from access_exporter.token_shapes import without_tokens

if TYPE_CHECKING:
    from access_exporter.commands.limit import Limit


DEFAULT_FILE = "config.yaml"


@dataclass
class Options:
    """The values of the flags, with their defaults."""

    config_file: str | None = None
    check: bool = False
    once: bool = False
    demo: bool = False
    listen_address: tuple[str, int] = ("", 10060)
    metrics_path: str = "/metrics"
    web_config_file: str | None = None
    storage_path: str | None = None
    lifecycle: bool = False
    max_requests: int = 40
    allowed_hosts: tuple[str, ...] | None = None  # None: every host
    shard: int | None = None
    total_shards: int = 1
    idle_seats: float | None = None
    test_policy: str | None = None
    compare_with: str | None = None
    max_blocked: "Limit | None" = None
    max_newly_blocked: "Limit | None" = None
    show: str | None = None
    timeout: float | None = None
    account: str | None = None
    format: str | None = None
    log_level: str = "info"
    log_format: str = "logfmt"

    @property
    def lists_people(self) -> bool:
        """Whether people are listed on standard output."""
        return self.idle_seats is not None or self.test_policy is not None

    def configuration(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Return the path of the configuration file; None where there is none, and the environment has to do.

        It is that of the flag, or else of the environment's CLOUDFLARE_ACCESS_CONFIG_FILE, or else config.yaml, if that
        is there.
        """
        if self.config_file is not None:
            return self.config_file
        default = DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None
        return environ.get("CLOUDFLARE_ACCESS_CONFIG_FILE") or default

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


class Flag(NamedTuple):
    """A row of the table: a flag, the field of Options it sets, and how people read it."""

    name: str
    destination: str
    meaning: str
    metavar: str = ""  # without it and without choices, the flag takes no value
    default: str = ""  # as shown to people; empty where there is none
    parse: Callable[[str], object] = str  # raises ArgumentTypeError
    choices: tuple[str, ...] = ()


_LEVELS = ("debug", "info", "warn", "error")

FLAGS = (
    Flag("--config.file", "config_file", "configuration file", "FILE", f"{DEFAULT_FILE}, or the environment"),
    Flag("--config.check", "check", "check the configuration, print what it means, and exit with 0 or 1"),
    Flag("--once", "once", "poll every target once, print the metrics, and exit with 0, or with 1 if a poll failed"),
    Flag("--demo", "demo", "poll a simulated account; needs no configuration and no credentials"),
    Flag(
        "--web.listen-address",
        "listen_address",
        "address to serve on; without a host, all IPv4 and IPv6 addresses",
        "HOST:PORT",
        ":10060",
        flag_values.address,
    ),
    Flag("--web.telemetry-path", "metrics_path", "path of the metrics", "PATH", "/metrics", flag_values.path),
    Flag(
        "--web.config.file", "web_config_file", "TLS, basic auth and headers, in the exporter-toolkit's format", "FILE"
    ),
    Flag("--web.enable-lifecycle", "lifecycle", "allow reloads by POST /-/reload"),
    Flag(
        "--web.max-requests",
        "max_requests",
        "most answers with metrics or the status page at a time; other requests wait",
        "N",
        "40",
        flag_values.most,
    ),
    Flag(
        "--web.allowed-hosts",
        "allowed_hosts",
        "answer metrics and the status page only to these host names, this machine's names, and addresses",
        "HOST,…",
        "every host",
        flag_values.hosts,
    ),
    Flag("--storage.path", "storage_path", "folder that keeps the last good numbers across restarts", "DIR"),
    Flag("--shard", "shard", "number of this shard, from 0", "N", "from the pod's name", flag_values.count),
    Flag("--total-shards", "total_shards", "number of exporters that share the accounts", "N", "1", flag_values.count),
    Flag(
        "--idle-seats",
        "idle_seats",
        "list the users whose seat has been idle for at least this long, such as 90d or 12h, and exit",
        "TIME",
        parse=flag_values.idle_time,
    ),
    Flag("--test-policy", "test_policy", "test the policies in this file, before they are saved, and exit", "FILE"),
    Flag(
        "--compare-with",
        "compare_with",
        "also test this application or reusable policy, by name or id, as it is now; needs --test-policy",
        "NAME",
    ),
    Flag(
        "--max-blocked",
        "max_blocked",
        "exit with 3 if more people are blocked, as a number or a share such as 5%; needs --test-policy",
        "N",
        parse=flag_values.limit,
    ),
    Flag(
        "--max-newly-blocked",
        "max_newly_blocked",
        "exit with 3 if more people lose access, as a number or a share; needs --compare-with",
        "N",
        parse=flag_values.limit,
    ),
    Flag(
        "--show",
        "show",
        "people to list: those who are blocked, in error or get another result, or all; needs --test-policy",
        default="affected",
        choices=("affected", "all"),
    ),
    Flag("--timeout", "timeout", "longest time for the tests; needs --test-policy", "TIME", "30m", flag_values.timeout),
    Flag(
        "--account",
        "account",
        "use only this account; needs --idle-seats or --test-policy",
        "ID",
        "every account, or the only one",
    ),
    Flag(
        "--format",
        "format",
        "format of the list; needs --idle-seats or --test-policy, and markdown needs the latter",
        default="table",
        choices=("table", "csv", "json", "markdown"),
    ),
    Flag("--log.level", "log_level", "lowest level to log", default="info", choices=_LEVELS),
    Flag("--log.format", "log_format", "format of the log", default="logfmt", choices=("logfmt", "json")),
    Flag("--version", "version", "print the version and exit"),
)


def parse(arguments: Sequence[str] | None) -> Options:
    """Return what the flags say; prints a usage error and exits with 2 where they are wrong."""
    parser = _parser()
    options = parser.parse_args(arguments, Options())
    if problem := _contradiction(options):
        parser.error(problem)
    return options


class _Parser(argparse.ArgumentParser):
    """Repeats no token that was given in place of a flag or its value."""

    def error(self, message: str) -> NoReturn:
        super().error(without_tokens(message))


def _contradiction(options: Options) -> str | None:
    """Return which flag lacks the one that it goes with, or has one that it does not go with."""
    if options.idle_seats is not None and options.test_policy is not None:
        return "--idle-seats and --test-policy do not go together"
    if not options.lists_people and (options.account, options.format) != (None, None):
        return "--account and --format go with --idle-seats or --test-policy"
    if options.idle_seats is not None and options.format == "markdown":
        return "--format=markdown goes with --test-policy"
    of_tests = (options.compare_with, options.max_blocked, options.max_newly_blocked, options.show, options.timeout)
    if options.test_policy is None and any(each is not None for each in of_tests):
        return "--compare-with, --max-blocked, --max-newly-blocked, --show and --timeout go with --test-policy"
    if options.max_newly_blocked is not None and options.compare_with is None:
        return "--max-newly-blocked goes with --compare-with"
    return None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cloudflare-access-exporter",
        description="Prometheus exporter for Cloudflare Access: seats, devices and policy test results.",
        allow_abbrev=False,
    )
    for flag in FLAGS:
        _add(flag, parser)
    return parser


def _add(flag: Flag, parser: argparse.ArgumentParser) -> None:
    text = f"{flag.meaning} (default: {flag.default})" if flag.default else flag.meaning
    text = text.replace("%", "%%")  # argparse fills in what stands behind a single one
    if flag.destination == "version":
        version = f"cloudflare-access-exporter {__version__}"
        parser.add_argument(flag.name, action="version", version=version, help=text)
    elif not flag.metavar and not flag.choices:
        parser.add_argument(flag.name, dest=flag.destination, default=argparse.SUPPRESS, action="store_true", help=text)
    else:
        parser.add_argument(
            flag.name,
            dest=flag.destination,
            default=argparse.SUPPRESS,
            metavar=flag.metavar or None,
            type=flag.parse,
            choices=flag.choices or None,
            help=text,
        )
