"""The messages that docs/troubleshooting.md quotes are messages of the exporter."""

import re

import pytest

from tests.processes import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "access_exporter").rglob("*.py")))
# Join adjacent strings of the code, so that a message is in one piece. Text in braces is unknown here.
MESSAGES = re.sub(r'"\s+f?"', "", SOURCES)
QUOTED = [text for line in PAGE.splitlines() if "On the screen.**" in line for text in re.findall("`([^`]+)`", line)]
PARTS = sorted({part.strip(" :,") for text in QUOTED for part in re.split(r"…|\(code \d+\): |\b\d{3} from ", text)})


@pytest.mark.parametrize("part", [part for part in PARTS if " " in part])
def test_quoted_messages_are_in_the_code(part: str) -> None:
    """Every message that the page quotes is in the code, so people who search for a log line find it."""
    assert part in MESSAGES


def test_links_to_headings_work() -> None:
    """Each link to a section of the page leads to a heading."""
    titles = re.findall("^#+ (.*)$", PAGE, re.MULTILINE)
    headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= headings


def test_entries_start_with_the_screen() -> None:
    """Each entry starts with what the reader sees on the screen."""
    starts = re.findall(r"^### .*\n\n(.*)$", PAGE, re.MULTILINE)
    assert len(starts) == PAGE.count("\n### ")
    assert all(start.startswith("**On the screen.** ") for start in starts)
