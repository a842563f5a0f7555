"""The documents agree with the code."""

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
def test_references_agree_with_the_code(document: str) -> None:
    """The references (flags, keys, config.yaml, metrics, architecture) match the code; `make docs` updates them."""
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
def test_an_outdated_reference_is_updated(document: str, now: str, before: str) -> None:
    """`make docs` replaces an outdated name, default or meaning of a flag, a key, a metric or a part of the code."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert now in text
    assert REFERENCES[document](text.replace(now, before)) == text


def test_the_picture_shows_every_import() -> None:
    """The picture of the architecture has a dot for each import, and no import goes to a higher layer."""
    shown = list(architecture.parts())
    order = {name: row for row, part in enumerate(shown) for name in part.names}
    pairs = {(row, order[name]) for row, part in enumerate(shown) for name in part.imports if order[name] != row}
    assert all(row < column for row, column in pairs)
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert picture.count('class="dot"') == len(pairs) > 0


def test_an_arrow_without_an_import_is_an_error() -> None:
    """If an arrow of the picture has no import in the code, drawing the picture raises an error."""
    cut = [replace(part, imports=frozenset()) if part.title == "polling/" else part for part in architecture.parts()]
    with pytest.raises(ValueError, match="polling does not import collectors"):
        architecture_drawing.draw(cut)


def test_phrases_that_are_hard_to_read_are_found(tmp_path: Path) -> None:
    """The check finds phrases in prose, comments and strings, in any case, but not in code or inside a word."""
    document = tmp_path / "document.md"
    document.write_text("Nobody is told.\n```sh\ntell whose\n```\nCloudflareAccessNobodyLogsIn storytelling\n")
    assert [(line, phrase) for line, phrase, _ in plain_english.found(document)] == [(1, "Nobody"), (1, "told")]
    program = tmp_path / "program.py"
    program.write_text('whose = 1  # a mistake\n"""Text.\n\nStart afresh."""\n')
    assert [(line, phrase) for line, phrase, _ in plain_english.found(program)] == [(1, "mistake"), (4, "afresh")]


def test_the_budget_agrees_with_the_rate_limiter() -> None:
    """The table of what a token can poll agrees with the rate limiter; `make simulation` updates it."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert replaced(text, "budget", fleet.budget_table()) == text


def test_the_ages_agree_with_the_simulation() -> None:
    """The accounts and ages in docs/scaling.md agree with the simulation."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    users = fleet.sizes(fleet.ACCOUNTS)
    assert fleet.sizes_in_words(users) in text
    assert fleet.tenth(users) in text


def test_no_token_sends_more_than_it_may() -> None:
    """In the simulation, too few tokens make numbers old, but never send more requests than the rate limit allows."""
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
