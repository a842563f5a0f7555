"""Configuration files with an error, and the error message."""

from collections.abc import Mapping

import pytest

from access_exporter.errors import ConfigError
from tests.config_files import SECRET, load

QUOTES = "put the value in quotes"


def refusal(content: str | bytes) -> str:
    """Return the error message for this content, and check that it is one line without a secret."""
    with pytest.raises(ConfigError) as refused:
        load(content)
    message = str(refused.value)
    assert SECRET not in message
    assert message.isprintable()
    return message


def table(cases: Mapping[str, tuple[str | bytes, str]]) -> pytest.MarkDecorator:
    """Return the parameters `content` and `expected` of a test, with the names of the cases."""
    return pytest.mark.parametrize(("content", "expected"), cases.values(), ids=cases.keys())
