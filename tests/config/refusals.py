"""Configuration files that are refused, and the line that says why."""

from collections.abc import Mapping

import pytest

from access_exporter.errors import ConfigError
from tests.config_files import SECRET, load

QUOTES = "put the value in quotes"


def refusal(content: str | bytes) -> str:
    """The message that refuses this content: one line, which never holds a secret."""
    with pytest.raises(ConfigError) as refused:
        load(content)
    message = str(refused.value)
    assert SECRET not in message
    assert message.isprintable()
    return message


def table(cases: Mapping[str, tuple[str | bytes, str]]) -> pytest.MarkDecorator:
    """The parameters `content` and `expected` of a test, named for people."""
    return pytest.mark.parametrize(("content", "expected"), cases.values(), ids=cases.keys())
