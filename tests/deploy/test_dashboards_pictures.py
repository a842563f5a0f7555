"""The pictures in the documents show the committed dashboards in readable letters."""

import re
from html import unescape

import pytest

from tests.deploy.files import dashboards
from tests.processes import ROOT

PICTURES = {"dashboard.svg": "cloudflare-access-overview", "policies.svg": "cloudflare-access-policies"}
README_WIDTH = 830  # pixels; the width of a document on GitHub
SMALLEST_LETTERS = 12  # pixels


@pytest.mark.parametrize(("name", "uid"), PICTURES.items())
def test_picture_shows_the_committed_panels(name: str, uid: str) -> None:
    """The picture shows every row and panel in order; `python -m docs.draw_dashboard` draws a new picture."""
    picture = (ROOT / "docs" / name).read_text("utf-8")
    drawn = [unescape(title) for title in re.findall(r'<text[^>]* class="title"[^>]*>([^<]*)</text>', picture)]
    panels = dashboards()[uid]["panels"]
    assert drawn == [f"⌄ {panel['title']}" if panel["type"] == "row" else panel["title"] for panel in panels]


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_readable_in_a_document(name: str) -> None:
    """In a document on GitHub, the letters of the picture have at least 12 pixels, and no panel is empty."""
    picture = (ROOT / "docs" / name).read_text("utf-8")
    (width,) = re.findall(r'viewBox="0 0 (\d+) \d+"', picture)
    sizes = [float(size) for size in re.findall(r"font-size:([\d.]+)px", picture)]
    assert min(sizes) * README_WIDTH / int(width) >= SMALLEST_LETTERS
    assert ">No data<" not in picture
