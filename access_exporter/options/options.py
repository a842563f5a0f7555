"""The options: the values of all flags."""

import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from access_exporter import __version__
from access_exporter.addresses import Address
from access_exporter.errors import UsageError
from access_exporter.options import arguments
from access_exporter.options.help import help_text
from access_exporter.options.table import DEFAULT_FILE

if TYPE_CHECKING:
    from access_exporter.commands.limit import Limit


@dataclass
class Options:
    """The values of the flags, with their defaults."""

    config_file: str | None = None
    check: bool = False
    online: bool = False
    once: bool = False
    demo: bool = False
    listen_addresses: tuple[Address, ...] = (Address(),)
    metrics_path: str = "/metrics"
    web_config_file: str | None = None
    storage_path: str | None = None
    lifecycle: bool = False
    max_requests: int = 40
    allowed_hosts: tuple[str, ...] | None = None  # None allows every host
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
    version: bool = False
    help: bool = False

    @property
    def answer(self) -> str:
        """The text that --help or --version prints, and an empty text without these flags."""
        if self.help:
            return help_text()
        return f"cloudflare-access-exporter {__version__}\n" if self.version else ""

    @property
    def lists_people(self) -> bool:
        """Whether the command prints a list of people."""
        return self.idle_seats is not None or self.test_policy is not None

    def configuration(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Return the path of the configuration file, or None if the configuration comes from the environment alone.

        The path is the value of --config.file, or else of the variable CLOUDFLARE_ACCESS_CONFIG_FILE, or else
        config.yaml if this file exists.
        """
        if self.config_file is not None:
            return self.config_file
        default = DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None
        return environ.get("CLOUDFLARE_ACCESS_CONFIG_FILE") or default

    def shard_number(self, environ: Mapping[str, str] = os.environ) -> int:
        """Return the number of this shard. Without --shard, it is the number at the end of the pod's name.

        The name is the value of the variable POD_NAME, or else the host name. Raises UsageError if the name has no
        number or if the number is not below --total-shards.
        """
        number = self.shard if self.shard is not None or self.total_shards == 1 else _ordinal(environ)
        if not 0 <= (number or 0) < self.total_shards:
            expected = f"a number below --total-shards, which is {self.total_shards}"
            raise UsageError(f"--shard: expected {expected}; got {number}")
        return number or 0


def _ordinal(environ: Mapping[str, str]) -> int:
    """Return the number at the end of the name of a pod in a StatefulSet."""
    named = environ.get("POD_NAME")
    found = re.fullmatch(r".*-([0-9]{1,6})", named or socket.gethostname())
    if found is None:
        where = "POD_NAME" if named else "the host name"
        raise UsageError(f"--shard: required with --total-shards, because {where} does not end with a number like -0")
    return int(found[1])


def parse(given: Sequence[str] | None) -> Options:
    """Return the options of these arguments, or of the command line for None. Raises UsageError for a wrong flag."""
    given = sys.argv[1:] if given is None else given
    if "--help" in given or "-h" in given:  # help comes first, even if another flag is wrong
        return Options(help=True)
    return replace(Options(), **arguments.read(given))
