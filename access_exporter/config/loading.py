"""Loads a Config from a file or from the environment alone: reads it, replaces the variables, and checks it.

Every error is a ConfigError with one message: the file, the path in the file (`accounts[0].users.interval`), and what
was expected. The message contains a value only if the value cannot be a secret.
"""

from collections.abc import Mapping
from itertools import chain

from access_exporter.config import checks, environment, exposure, strict_yaml
from access_exporter.config.durations import Duration
from access_exporter.config.expansion import choices, expand
from access_exporter.config.model import Config
from access_exporter.config.secrets import Secret
from access_exporter.config.variables import MissingError
from access_exporter.errors import ConfigError, DocumentError


def load(path: str | None, environ: Mapping[str, str]) -> Config:
    """Load the configuration file. If `path` is None, load the configuration from the environment.

    Raises ConfigError for every error, with the file, the place and what was expected.
    """
    if path is None:
        return _of_the_environment(environ)
    try:
        return _config(strict_yaml.read(path), environ)
    except DocumentError as error:
        is_first_start = isinstance(error, MissingError) and not environment.is_set(environ)
        hint = f"; {environment.HOW_TO_START}" if is_first_start else ""
        raise ConfigError(f"{path}: {error}{hint}") from None


def parse(tree: Mapping[str, object]) -> Config:
    """Check a configuration that is not in a file. Raises ConfigError like `load`."""
    try:
        return _config(tree, {})
    except DocumentError as error:
        raise ConfigError(str(error)) from None


def _of_the_environment(environ: Mapping[str, str]) -> Config:
    if not environment.is_set(environ):
        raise ConfigError(f"no configuration: {environment.HOW_TO_START}")
    try:
        return _config(environment.TREE, environ)
    except DocumentError as error:
        raise ConfigError(environment.in_words(error)) from None


def _config(tree: object, environ: Mapping[str, str]) -> Config:
    if not isinstance(tree, dict):
        raise DocumentError("", "expected a mapping with the keys `accounts` and, optionally, `api`")
    config = _converted(expand(tree, environ))
    # `exposure` comes first, so that no other message can contain a secret.
    for where, problem in chain(exposure.problems(config), checks.problems(config)):
        raise DocumentError(where, problem)
    return config


def _converted(tree: object) -> Config:
    try:
        return strict_yaml.convert(tree, Config, _hook)
    except DocumentError as error:
        if error.problem.startswith("invalid enum value"):
            raise DocumentError(error.where, f"expected {choices(error.where)}") from None
        raise


def _hook(kind: type, value: object) -> object:
    if isinstance(value, kind):
        return value
    if issubclass(kind, Duration):
        return kind.parse(value)
    if not isinstance(value, str):
        raise ValueError("expected a string; put the value in quotes")
    return Secret(source=getattr(value, "source", "configuration file"), value=str(value))
