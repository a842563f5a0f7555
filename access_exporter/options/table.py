"""The table of flags. The parser, `--help` and docs/flags.md use it."""

from collections.abc import Callable
from itertools import chain
from typing import NamedTuple

from access_exporter.addresses import Address
from access_exporter.options import values

DEFAULT_FILE = "config.yaml"
_LEVELS = ("debug", "info", "warn", "error")
# Each of these flags does its work and exits, so two of them cannot be used together.
_MODES = ("--config.check", "--once", "--idle-seats", "--test-policy", "--version")
_LISTS = ("--idle-seats", "--test-policy")  # flags that print a list of people
_SERVES_NOTHING = ("--once", *_LISTS)
_TESTS = ("--test-policy",)


class Flag(NamedTuple):
    """A flag: its name, the field of Options that it sets, its description, and the flags that it needs or excludes."""

    name: str
    destination: str
    meaning: str
    metavar: str = ""  # a flag without metavar and choices takes no value
    default: str = ""  # as text for people; empty if there is no default
    parse: Callable[[str], object] = str  # raises ValueError
    choices: tuple[str, ...] = ()
    may_repeat: bool = False  # if True, the field is a tuple
    needs: tuple[str, ...] = ()  # the flag needs one of these flags
    not_with: tuple[str, ...] = ()  # the flag excludes these flags; its own name is ignored

    @property
    def takes_value(self) -> bool:
        """Whether the flag takes a value."""
        return bool(self.metavar or self.choices)

    @property
    def text(self) -> str:
        """The meaning, with the flags that this flag needs."""
        return f"{self.meaning}; needs {' or '.join(self.needs)}" if self.needs else self.meaning


GROUPS: dict[str, tuple[Flag, ...]] = {
    "Serve": (
        Flag(
            "--config.file",
            "config_file",
            "configuration file",
            "FILE",
            f"{DEFAULT_FILE}, or else environment variables",
            not_with=("--demo",),
        ),
        Flag("--demo", "demo", "poll a simulated account; needs no configuration and no credentials"),
        Flag(
            "--storage.path",
            "storage_path",
            "folder for the last good numbers, so that they survive a restart",
            "DIR",
            not_with=_LISTS,
        ),
    ),
    "Check": (
        Flag(
            "--config.check",
            "check",
            "check the configuration, print what it means, and exit with status 0, or 1 if it has an error",
            not_with=_MODES,
        ),
        Flag(
            "--online",
            "online",
            "also ask Cloudflare which of the needed permissions the token has",
            needs=("--config.check",),
        ),
        Flag(
            "--once",
            "once",
            "poll every target once, print the metrics, and exit with status 0, or 1 if a poll failed",
            not_with=_MODES,
        ),
        Flag("--version", "version", "print the version and exit", not_with=_MODES),
        Flag("--help", "help", "print this help and exit"),
    ),
    "People": (
        Flag(
            "--idle-seats",
            "idle_seats",
            "list the users with a seat that has been idle for at least this long, such as 90d or 12h, and exit",
            "TIME",
            parse=values.idle_time,
            not_with=_MODES,
        ),
        Flag(
            "--test-policy",
            "test_policy",
            "test the policies in this file at Cloudflare without saving them, and exit",
            "FILE",
            not_with=_MODES,
        ),
        Flag(
            "--compare-with",
            "compare_with",
            "also test the present policies of this application, or this reusable policy, by name or id, and compare",
            "NAME",
            needs=_TESTS,
        ),
        Flag(
            "--max-blocked",
            "max_blocked",
            "exit with status 3 if more people than this are blocked; a number, or a share such as 5%",
            "N",
            parse=values.limit,
            needs=_TESTS,
        ),
        Flag(
            "--max-newly-blocked",
            "max_newly_blocked",
            "exit with status 3 if more people than this lose access; a number or a share",
            "N",
            parse=values.limit,
            needs=("--compare-with",),
        ),
        Flag(
            "--show",
            "show",
            "people to list: all, or only the affected ones (blocked, in error, or with a changed result)",
            default="affected",
            choices=("affected", "all"),
            needs=_TESTS,
        ),
        Flag("--timeout", "timeout", "time limit for all tests", "TIME", "30m", values.timeout, needs=_TESTS),
        Flag(
            "--account",
            "account",
            "use only this account; required for --test-policy if there are several accounts",
            "ID",
            "all accounts",
            needs=_LISTS,
        ),
        Flag(
            "--format",
            "format",
            "format of the list; markdown only for --test-policy",
            default="table",
            choices=("table", "csv", "json", "markdown"),
            needs=_LISTS,
        ),
    ),
    "Web": (
        Flag(
            "--web.listen-address",
            "listen_addresses",
            "address to serve on; without a host, all IPv4 and IPv6 addresses; may be repeated",
            "HOST:PORT",
            ":10060",
            Address.parse,
            may_repeat=True,
            not_with=_SERVES_NOTHING,
        ),
        Flag(
            "--web.telemetry-path",
            "metrics_path",
            "path of the metrics",
            "PATH",
            "/metrics",
            values.path,
            not_with=_SERVES_NOTHING,
        ),
        Flag(
            "--web.config.file",
            "web_config_file",
            "file with TLS, basic auth, headers and rate limit, in the format of the exporter-toolkit",
            "FILE",
            not_with=_SERVES_NOTHING,
        ),
        Flag(
            "--web.enable-lifecycle",
            "lifecycle",
            "reload the configuration on POST /-/reload",
            not_with=_SERVES_NOTHING,
        ),
        Flag(
            "--web.max-requests",
            "max_requests",
            "maximum number of responses with metrics or the status page at a time; other requests wait",
            "N",
            "40",
            values.most,
            not_with=_SERVES_NOTHING,
        ),
        Flag(
            "--web.allowed-hosts",
            "allowed_hosts",
            "host names that requests for metrics and the status page may use, besides IP addresses and this "
            "machine's names",
            "HOST,...",
            "every host",
            values.hosts,
            not_with=_SERVES_NOTHING,
        ),
    ),
    "Scale": (
        Flag(
            "--shard",
            "shard",
            "number of this shard, counted from 0",
            "N",
            "the number in the pod's name",
            values.count,
        ),
        Flag("--total-shards", "total_shards", "number of exporters that share the accounts", "N", "1", values.most),
    ),
    "Log": (
        Flag("--log.level", "log_level", "lowest level of messages to log", default="info", choices=_LEVELS),
        Flag("--log.format", "log_format", "format of the log", default="logfmt", choices=("logfmt", "json")),
    ),
}
FLAGS = tuple(chain.from_iterable(GROUPS.values()))
BY_NAME = {flag.name: flag for flag in FLAGS}
