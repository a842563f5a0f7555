"""The documents say what the code does."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import fleet
from benchmarks.documents import replaced
from tests.processes import ROOT


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_metrics", ROOT / "docs" / "generate_metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(generator: ModuleType) -> str:
    rows: str = generator.table(generator.served())
    return rows


@pytest.mark.parametrize("document", ["README.md", "docs/metrics.md"])
def test_metric_tables_are_those_of_the_code(document: str, generator: ModuleType, table: str) -> None:
    """The tables of metrics are what the exporter serves; `make docs` writes them again after a change."""
    text = (ROOT / Path(document)).read_text(encoding="utf-8")
    assert generator.with_table(text, table) == text


def test_the_budget_is_that_of_the_pacing() -> None:
    """The table of what a token can poll is what the pacing allows; `make simulation` writes it again."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert replaced(text, "budget", fleet.budget_table()) == text


def test_the_ages_are_those_of_the_simulation() -> None:
    """The accounts the document speaks of, and how old a tenth of them gets, are what the simulation says today."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    users = fleet.sizes(fleet.ACCOUNTS)
    assert fleet.sizes_in_words(users) in text
    assert fleet.tenth(users) in text


def test_no_token_sends_more_than_it_may() -> None:
    """In the simulation, too few tokens make numbers old, and never more requests than the pace allows."""
    result = fleet.simulate(fleet.sizes(1000), tokens=1, interval=300)
    assert 0.95 * 600 < result.most_requests <= 600
    assert result.age > 2 * 300


def test_every_documented_flag_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's table of flags names exactly the flags that --help lists."""
    from access_exporter import cli

    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = {word.strip("[],") for word in capsys.readouterr().out.split() if word.startswith("--")}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in readme.splitlines() if line.startswith("| `--")}
    assert documented == listed - {"--help"}
