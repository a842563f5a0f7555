"""Takes the screenshot of the status page for the README: python -m tests.deploy.screenshots.

The PNG file contains a hash of the page, so that a test fails when the screenshot is out of date.
"""

import hashlib
import struct
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from access_exporter import __homepage__, __version__
from tests.deploy import pages
from tests.deploy.chromium import Screen, chromium
from tests.deploy.programs import program
from tests.processes import ROOT, exporter

PICTURE = ROOT / "docs" / "status-page.png"
UNFINISHED = ("first poll", "as soon as", "no earlier test")
FINISHED = (">changed", " in 2 min<")
SCREEN = Screen(1200, 1000)
_KEYWORD = b"Page\0"


def page() -> str:
    """Return a hash of the status page of fixed accounts, which changes when the look of the page changes."""
    shown = "".join(pages.page(number, errors=True, demo=True) for number in (4, 20))
    return hashlib.sha256(shown.replace(__version__, "").replace(__homepage__, "").encode()).hexdigest()


def signed(picture: bytes, text: str) -> bytes:
    """Return the PNG with a text chunk before its last chunk: https://www.w3.org/TR/png-3/#11tEXt."""
    content = b"tEXt" + _KEYWORD + text.encode()
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return picture[:-12] + chunk + picture[-12:]


def page_of(picture: bytes) -> str:
    """Return the hash in the text chunk of a PNG, or an empty string if there is none."""
    _, found, rest = picture.partition(b"tEXt" + _KEYWORD)
    return rest[:64].decode() if found else ""


def main() -> None:
    """Run the demo until a policy test has changed the result of a user, and write a screenshot of its status page."""
    with (
        TemporaryDirectory() as profile,
        exporter("--demo") as demo,
        chromium(program("chromium"), Path(profile)) as tab,
    ):
        text = ""
        while any(words not in text for words in FINISHED) or any(words in text for words in UNFINISHED):
            time.sleep(1)
            tab.open(f"{demo.url}/", SCREEN, "light")
            text = tab.evaluate("document.body.innerHTML")
        tab.screenshot(PICTURE)
    PICTURE.write_bytes(signed(PICTURE.read_bytes(), page()))


if __name__ == "__main__":
    main()
