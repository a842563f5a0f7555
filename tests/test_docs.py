"""The documents say what the code does."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

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


def test_every_documented_flag_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's table of flags names exactly the flags that --help lists."""
    from access_exporter import cli

    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = {word.strip("[],") for word in capsys.readouterr().out.split() if word.startswith("--")}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in readme.splitlines() if line.startswith("| `--")}
    assert documented == listed - {"--help"}
