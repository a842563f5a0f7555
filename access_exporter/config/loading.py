"""From a file to a Config: read, completed from the environment, and checked.

Every mistake raises ConfigError with one message: the file, the path in it (`accounts[0].users.interval`) and what
was expected. Values are only named where they cannot be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated, get_args, get_origin

import msgspec

from access_exporter.config import checks, exposure, strict_yaml
from access_exporter.config.durations import Duration
from access_exporter.config.model import Config
from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError, DocumentError, named

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def load(path: str, environ: Mapping[str, str]) -> Config:
    """Read, complete and check the configuration file.

    Raises ConfigError, saying the file, the place and the expectation, for anything that is not as documented.
    """
    try:
        return _config(strict_yaml.read(path), environ)
    except DocumentError as mistake:
        raise ConfigError(f"{path}: {mistake}") from None


def parse(tree: Mapping[str, object]) -> Config:
    """Check a configuration that is not in a file; raises ConfigError as `load`."""
    try:
        return _config(tree, {})
    except DocumentError as mistake:
        raise ConfigError(str(mistake)) from None


def _config(tree: object, environ: Mapping[str, str]) -> Config:
    if not isinstance(tree, dict):
        raise DocumentError("", "expected a mapping with the keys `accounts` and, optionally, `api`")
    config = strict_yaml.convert(_expand(tree, "", environ), Config, _hook)
    for where, problem in chain(exposure.problems(config), checks.problems(config)):  # no other may repeat a secret
        raise DocumentError(where, problem)
    return config


class _Expanded(str):
    """A string completed from the environment, which remembers the variables' names."""

    source: str


def _leaves(kind: object, suffix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the types that a type is made of, each with `[]` for the list that it is in."""
    parts = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    if not parts:
        yield suffix, kind
    for part in parts:
        yield from _leaves(part, f"{suffix}[]" if get_origin(kind) is tuple else suffix)


def _sections(kind: msgspec.StructMeta, where: str = "") -> Iterator[tuple[str, msgspec.StructMeta]]:
    """Yield every section of the configuration with its path, such as `accounts[].users`."""
    yield where, kind
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]  # the stubs of msgspec want a Struct
        for suffix, part in _leaves(field.type):
            if isinstance(part, msgspec.StructMeta):
                yield from _sections(part, f"{where}.{field.name}{suffix}".lstrip("."))


_SECTIONS = dict(_sections(Config))
# Keys whose value may be a number that comes from the environment.
_NUMBERS = {
    field.name
    for section in _SECTIONS.values()
    for field in msgspec.structs.fields(section)  # type: ignore[arg-type]  # see above
    if {("", int), ("", float)} & set(_leaves(field.type))
}


def _expand(node: object, where: str, environ: Mapping[str, str]) -> object:
    """Replace `${NAME}` in every string, refuse unknown keys, and drop keys without a value: their defaults hold."""
    if isinstance(node, dict):
        strict_yaml.check_known(node, where, _SECTIONS)
        pairs = ((key, _expand(value, f"{where}.{key}".lstrip("."), environ)) for key, value in node.items())
        return {key: _number(value) if key in _NUMBERS else value for key, value in pairs if value is not None}
    if isinstance(node, list):
        return [_expand(value, f"{where}[{index}]", environ) for index, value in enumerate(node)]
    if not isinstance(node, str):
        return node
    text = _substitute(node, where, environ) if "${" in node else node
    if _SURROGATE.search(text):
        problem = "expected Unicode, got half of a surrogate pair: an escape \\ud800 to \\udfff, or bytes not in UTF-8"
        raise DocumentError(where, problem)
    return text


def _substitute(text: str, where: str, environ: Mapping[str, str]) -> _Expanded:
    if "${" in _VARIABLE.sub(" ", text):
        raise DocumentError(where, "expected ${NAME} with the name of an environment variable")
    names = _VARIABLE.findall(text)
    for name in names:
        if not environ.get(name):
            raise DocumentError(where, f"{named('the environment variable', name)} is not set or is empty")
    expanded = _Expanded(_VARIABLE.sub(lambda match: environ[match[1]], text))
    expanded.source = "environment variable " + " and ".join(names)
    return expanded


def _number(text: object) -> object:
    if not isinstance(text, _Expanded):
        return text
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        return text


def _hook(kind: type, value: object) -> object:
    if isinstance(value, kind):
        return value
    if issubclass(kind, Duration):
        return kind.parse(value)
    if not isinstance(value, str):
        raise ValueError("expected a string; put the value in quotes")
    return Secret(source=getattr(value, "source", "configuration file"), value=str(value))
