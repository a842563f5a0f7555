"""The exporter reads files with libyaml if PyYAML has it, and gets the same result without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from access_exporter.config import strict_yaml
from access_exporter.errors import DocumentError
from tests import needs
from tests.config_files import account, load

pytestmark = pytest.mark.usefixtures("secret_files")

YAML = (
    "a: b",
    "\n",
    "  ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ", ",
    "'",
    '"',
    "&x ",
    "*x",
    "<<: ",
    "# c",
    "|\n",
    "> ",
    "---\n",
)
TEXT = (
    "a",
    "null",
    "1e3",
    "0x1F",
    "2026-01-01",
    "yes",
    "~",
    "\xe9",
    "\u2028",
    "\x07",
    "\ufeff",
    "\\/",
    '"\\x41"',
    "1:30",
    "@",
)
RARE = ("%YAML 1.1\n", "\t", "? ", "?", "!!str ", "\x85", "\r\n", "- a: 1\n  b: [1, 2]\n")
PIECES = st.sampled_from((*YAML, *TEXT, *RARE))


@pytest.fixture
def without_libyaml() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "__with_libyaml__", False)
        yield


def outcome(content: str) -> str:
    """Return the content of a file, or the error message about it."""
    Path("any.yaml").write_text(content, encoding="utf-8", newline="")
    try:
        return repr(strict_yaml.read("any.yaml"))
    except DocumentError as error:
        return str(error)


@needs.libyaml
@given(content=st.lists(PIECES, max_size=12).map("".join))
def test_same_result_with_and_without_libyaml(content: str) -> None:
    """Any file content gives the same value or the same error message with and without libyaml."""
    found = outcome(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "__with_libyaml__", False)
        assert outcome(content) == found
    event("refused" if "expected" in found else "read")


@pytest.mark.usefixtures("without_libyaml")
def test_without_libyaml() -> None:
    """A valid file is also valid without libyaml."""
    assert load(account("name: x")).accounts[0].name == "x"
