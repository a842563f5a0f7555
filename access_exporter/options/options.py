"""What the flags say."""

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
    version: bool = False
    help: bool = False

    @property
    def answer(self) -> str:
        """What --help or --version prints; empty without them."""
        if self.help:
            return help_text()
        return f"cloudflare-access-exporter {__version__}\n" if self.version else ""

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


def parse(given: Sequence[str] | None) -> Options:
    """Return what the flags say, by default those of the command line; raises UsageError where they are wrong."""
    given = sys.argv[1:] if given is None else given
    if "--help" in given or "-h" in given:  # whatever else is wrong
        return Options(help=True)
    return replace(Options(), **arguments.read(given))
