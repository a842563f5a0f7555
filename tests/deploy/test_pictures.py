"""The pictures in the documents are current; `make pictures` updates them."""

import re
from html import unescape

from access_exporter import __homepage__
from docs import draw_session
from tests.deploy import screenshots
from tests.deploy.files import HOMEPAGE
from tests.processes import ROOT


def test_picture_of_the_terminal_is_current() -> None:
    """The picture in docs/policies.md shows the current output and exit status of `--test-policy`."""
    texts = re.findall(r"<text[^>]*>(.*)</text>", draw_session.PICTURE.read_text("utf-8"))
    shown = draw_session.session(draw_session.staff())
    assert [unescape(text) for text in texts] == [line for line in shown.splitlines() if line]
    assert shown.endswith("\n$ echo $?\n3")


def test_picture_of_the_status_page_is_current() -> None:
    """The picture of the status page was taken after the last change of the page's look."""
    picture = screenshots.PICTURE.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert screenshots.page_of(picture) == screenshots.page()


def test_hash_in_a_picture_can_be_read() -> None:
    """A PNG without a hash gives an empty string, and a PNG with a hash gives that hash."""
    plain = b"\x89PNG" + bytes(40)
    assert screenshots.page_of(plain) == ""
    assert screenshots.page_of(screenshots.signed(plain, "0" * 64)) == "0" * 64


def test_pictures_are_in_documents() -> None:
    """README.md shows the picture of the status page, and docs/policies.md the picture of the terminal."""
    assert "(docs/status-page.png)" in (ROOT / "README.md").read_text("utf-8")
    assert "(test-policy.svg)" in (ROOT / "docs" / "policies.md").read_text("utf-8")


def test_status_page_links_to_the_project() -> None:
    """The status page links to the home page of the project that pyproject.toml names."""
    assert __homepage__ == HOMEPAGE
