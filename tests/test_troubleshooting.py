"""The texts that docs/troubleshooting.md starts from are those that the exporter shows."""

import re

import pytest

from tests.processes import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "access_exporter").rglob("*.py")))
# As the messages stand in the code: strings that follow each other are one, and what is in braces is not known.
MESSAGES = re.sub(r'"\s+f?"', "", SOURCES)
QUOTED = [text for line in PAGE.splitlines() if "On the screen.**" in line for text in re.findall("`([^`]+)`", line)]
PARTS = sorted({part.strip(" :,") for text in QUOTED for part in re.split(r"…|\(code \d+\): |\b\d{3} from ", text)})


@pytest.mark.parametrize("part", [part for part in PARTS if " " in part])
def test_a_text_on_the_screen_is_one_of_the_exporter(part: str) -> None:
    """Whoever searches the page for a line of the log finds it, since the page quotes the code."""
    assert part in MESSAGES


def test_links_to_headings_lead_somewhere() -> None:
    """Each link to a place of the page leads to a heading."""
    titles = re.findall("^#+ (.*)$", PAGE, re.MULTILINE)
    headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= headings
