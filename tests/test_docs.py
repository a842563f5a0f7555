"""The documents say what the code does."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import fleet
from benchmarks.documents import replaced
from docs import plain_english
from docs.generate import REFERENCES, architecture, architecture_drawing
from tests.processes import ROOT


@pytest.mark.parametrize("document", REFERENCES)
def test_references_are_those_of_the_code(document: str) -> None:
    """Flags, keys, config.yaml, metrics and architecture are those of the code; `make docs` writes them again."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert REFERENCES[document](text) == text


@pytest.mark.parametrize(
    ("document", "now", "before"),
    [
        ("docs/flags.md", "| `:10060` |", "| `:10059` |"),
        ("docs/flags.md", "| path of the metrics |", "| where the metrics are |"),
        ("docs/configuration.md", "| 1 to 1,000 |", "| 1 to 500 |"),
        ("docs/configuration.md", "| `concurrency` |", "| `parallelism` |"),
        ("config.yaml", "#   timeout: 30s", "#   timeout: 20s"),
        ("config.yaml", "# rows to request per page", "# size of a page"),
        ("docs/metrics.md", "| `cloudflare_access_users` |", "| `cloudflare_access_members` |"),
        ("docs/architecture.md", "| `polling/` |", "| `fetching/` |"),
        ("docs/architecture.svg", ">serving/</text>", ">server/</text>"),
    ],
)
def test_a_reference_that_is_out_of_date_is_noticed(document: str, now: str, before: str) -> None:
    """What the code no longer has, in the name of a flag, key or metric, its default or meaning, does not stay."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert now in text
    assert REFERENCES[document](text.replace(now, before)) == text


def test_the_picture_shows_every_import() -> None:
    """The picture of the architecture has a dot for each import, and none of them goes up."""
    shown = list(architecture.parts())
    order = {name: row for row, part in enumerate(shown) for name in part.names}
    pairs = {(row, order[name]) for row, part in enumerate(shown) for name in part.imports if order[name] != row}
    assert all(row < column for row, column in pairs)
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert picture.count('class="dot"') == len(pairs) > 0


def test_an_arrow_without_an_import_is_noticed() -> None:
    """An arrow between two parts must be an import of the code, or the picture is not drawn."""
    cut = [replace(part, imports=frozenset()) if part.title == "polling/" else part for part in architecture.parts()]
    with pytest.raises(ValueError, match="polling does not import collectors"):
        architecture_drawing.draw(cut)


def test_phrases_that_are_hard_to_read_are_found(tmp_path: Path) -> None:
    """Phrases are found in prose, comments and strings, in any case, and not in code or inside of a word."""
    document = tmp_path / "document.md"
    document.write_text("Nobody is told.\n```sh\ntell whose\n```\nCloudflareAccessNobodyLogsIn storytelling\n")
    assert [(line, phrase) for line, phrase, _ in plain_english.found(document)] == [(1, "Nobody"), (1, "told")]
    program = tmp_path / "program.py"
    program.write_text('whose = 1  # a mistake\n"""Text.\n\nStart afresh."""\n')
    assert [(line, phrase) for line, phrase, _ in plain_english.found(program)] == [(1, "mistake"), (4, "afresh")]


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
    """The tables of flags name exactly the flags that --help lists."""
    from access_exporter import cli

    assert cli.main(["--help"]) == 0
    listed = set(re.findall(r"^  (--[a-z.-]+)", capsys.readouterr().out, re.MULTILINE))
    flags = (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in flags.splitlines() if line.startswith("| `--")}
    assert documented == listed
