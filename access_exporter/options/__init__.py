"""The arguments of the command line in, checked options out; one table of flags says what there is."""

from access_exporter.options.options import Options, parse
from access_exporter.options.table import FLAGS, GROUPS, Flag

__all__ = ["FLAGS", "GROUPS", "Flag", "Options", "parse"]
