"""The pictures in the documents show the program as it is; `make pictures` draws them again."""

import re
from html import unescape

from access_exporter import __homepage__
from docs import draw_session
from tests.deploy import screenshots
from tests.deploy.files import HOMEPAGE
from tests.processes import ROOT


def test_terminal_shows_what_the_command_says() -> None:
    """The terminal in docs/policies.md has every word that the command says about these policies, and its status."""
    texts = re.findall(r"<text[^>]*>(.*)</text>", draw_session.PICTURE.read_text("utf-8"))
    shown = draw_session.session(draw_session.staff())
    assert [unescape(text) for text in texts] == [line for line in shown.splitlines() if line]
    assert shown.endswith("\n$ echo $?\n3")


def test_picture_of_the_status_page_is_of_this_page() -> None:
    """The picture was taken after the last change of how the page looks."""
    picture = screenshots.PICTURE.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert screenshots.page_of(picture) == screenshots.page()


def test_text_in_a_picture_can_be_read_again() -> None:
    """A picture of another page is told from this one, and one that says nothing too."""
    plain = b"\x89PNG" + bytes(40)
    assert screenshots.page_of(plain) == ""
    assert screenshots.page_of(screenshots.signed(plain, "0" * 64)) == "0" * 64


def test_pictures_are_in_documents() -> None:
    """The README shows the status page, and the document about policies the terminal."""
    assert "(docs/status-page.png)" in (ROOT / "README.md").read_text("utf-8")
    assert "(test-policy.svg)" in (ROOT / "docs" / "policies.md").read_text("utf-8")


def test_status_page_links_to_the_project() -> None:
    """The links of the status page lead where pyproject.toml says the project lives."""
    assert __homepage__ == HOMEPAGE
