"""Takes the picture of the status page that stands in the README: python -m tests.deploy.screenshots.

The picture says which page it is of, so that a test can tell when it is old.
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
    """Return what tells one look of the page from another: how it shows accounts that never change."""
    shown = "".join(pages.page(number, errors=True, demo=True) for number in (4, 20))
    return hashlib.sha256(shown.replace(__version__, "").replace(__homepage__, "").encode()).hexdigest()


def signed(picture: bytes, text: str) -> bytes:
    """Return a PNG with a text in it, before its last chunk: https://www.w3.org/TR/png-3/#11tEXt."""
    content = b"tEXt" + _KEYWORD + text.encode()
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return picture[:-12] + chunk + picture[-12:]


def page_of(picture: bytes) -> str:
    """Return the text in a PNG."""
    _, found, rest = picture.partition(b"tEXt" + _KEYWORD)
    return rest[:64].decode() if found else ""


def main() -> None:
    """Show the page of a demo in which a test has changed somebody's result, and write what Chromium shows."""
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
