"""Reads the values of flags from the command line. A UsageError is one line that says how to fix the arguments."""

from collections.abc import Mapping, Sequence
from typing import Any

from access_exporter.errors import UsageError
from access_exporter.options import suggestions
from access_exporter.options.table import BY_NAME, FLAGS, Flag

Texts = Mapping[str, Sequence[str]]  # the values of each flag, by its name; a switch has an empty value
# A value of a flag that needs another flag.
_NEEDED_BY_VALUES = {("--format", "markdown"): "--test-policy"}


def read(arguments: Sequence[str]) -> dict[str, Any]:  # Any: each field of Options has a type of its own
    """Return the values of the flags, by the field of Options that each flag sets. Raises UsageError."""
    given = _texts(arguments)
    _check_together(given)
    return {flag.destination: _value(flag, given[flag.name]) for flag in FLAGS if flag.name in given}


def _texts(arguments: Sequence[str]) -> Texts:
    """Split the arguments into flags and values: `--flag`, `--flag=value` or `--flag value`."""
    given: dict[str, list[str]] = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, text = argument.partition("=")
        flag = BY_NAME.get(name)
        if flag is None:
            raise UsageError(suggestions.unknown(argument))
        if equals and not flag.takes_value:
            raise UsageError(f"{name} takes no value; write {name} without =")
        if not equals and flag.takes_value:
            text = next(rest, "--")
            if text.startswith("-") and text != "-":  # this is the next flag
                raise UsageError(f"{name} needs a value: {name}={flag.metavar or '|'.join(flag.choices)}")
        given.setdefault(name, []).append(text)
    return given


def _check_together(given: Texts) -> None:
    """Raise UsageError for a flag without another flag that it needs, and for two flags that exclude each other."""
    for flag in (BY_NAME[name] for name in given):
        for other in flag.not_with:
            if other in given and other != flag.name:
                raise UsageError(f"{flag.name} and {other} cannot be used together; remove one of them")
        if flag.needs and not any(other in given for other in flag.needs):
            raise UsageError(f"{flag.name} needs {' or '.join(flag.needs)}")
    for (name, text), other in _NEEDED_BY_VALUES.items():
        if text in given.get(name, ()) and other not in given:
            raise UsageError(f"{name}={text} needs {other}")


def _value(flag: Flag, texts: Sequence[str]) -> object:
    """Return the value for the field of Options, which is True for a switch."""
    if len(texts) > 1 and not flag.may_repeat:
        raise UsageError(f"{flag.name} is given {len(texts)} times; use it once")
    if not flag.takes_value:
        return True
    values = [_parsed(flag, text) for text in texts]
    for value in values:
        if values.count(value) > 1:
            raise UsageError(f"{flag.name}={value} is given {values.count(value)} times; use it once")
    return tuple(values) if flag.may_repeat else values[0]


def _parsed(flag: Flag, text: str) -> object:
    if flag.choices and text not in flag.choices:
        raise UsageError(f"{flag.name}: {suggestions.no_choice(text, flag.choices)}")
    try:
        return flag.parse(text)
    except ValueError as error:
        raise UsageError(f"{flag.name}: {error}") from None
