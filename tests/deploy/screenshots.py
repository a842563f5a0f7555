"""Takes the picture of the status page that stands in the README: python -m tests.deploy.screenshots."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.chromium import Screen, chromium
from tests.deploy.programs import program
from tests.processes import ROOT, exporter

PICTURE = ROOT / "docs" / "status-page.png"
UNFINISHED = ("first poll", "as soon as", "no test before")
SCREEN = Screen(1200, 1290)


def main() -> None:
    """Show the page of a demo in which a test has changed somebody's result, and write what Chromium shows."""
    with (
        TemporaryDirectory() as profile,
        exporter("--demo") as demo,
        chromium(program("chromium"), Path(profile)) as tab,
    ):
        text = ""
        while ">changed" not in text or any(words in text for words in UNFINISHED):
            tab.open(f"{demo.url}/", SCREEN, "light")
            text = tab.evaluate("document.body.innerHTML")
        tab.screenshot(PICTURE)


if __name__ == "__main__":
    main()
