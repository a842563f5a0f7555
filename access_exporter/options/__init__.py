"""The flags of the command line: reads and checks them with one table of all flags, and returns the options."""

from access_exporter.options.options import Options, parse
from access_exporter.options.table import FLAGS, GROUPS, Flag

__all__ = ["FLAGS", "GROUPS", "Flag", "Options", "parse"]
