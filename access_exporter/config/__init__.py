"""The configuration: reads a YAML file and the environment, checks both, and returns one frozen Config.

`load` reads the configuration file, and `parse` checks a mapping. Every error is a ConfigError that names the file, the
key and what was expected. Other packages read their files with `files` and `strict_yaml`.
"""

from access_exporter.config import files, strict_yaml
from access_exporter.config.durations import Duration
from access_exporter.config.loading import load, parse
from access_exporter.config.model import Account, Api, Config, PolicyTest
from access_exporter.config.secrets import Secret

__all__ = ["Account", "Api", "Config", "Duration", "PolicyTest", "Secret", "files", "load", "parse", "strict_yaml"]
