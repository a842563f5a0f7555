"""Takes the picture of the status page that stands in the README: python -m tests.deploy.screenshots."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.chromium import Screen, chromium
from tests.deploy.programs import program
from tests.processes import ROOT, exporter

PICTURE = ROOT / "docs" / "status-page.png"
SCREEN = Screen(900, 790)


def main() -> None:
    """Show the page of a demo that has polled all it needs to count idle seats, and write what Chromium shows."""
    with (
        TemporaryDirectory() as profile,
        exporter("--demo") as demo,
        chromium(program("chromium"), Path(profile)) as tab,
    ):
        tab.open(f"{demo.url}/", SCREEN, "light")
        while any(words in tab.evaluate("document.body.innerText") for words in ("first poll", "as soon as")):
            tab.open(f"{demo.url}/", SCREEN, "light")
        tab.screenshot(PICTURE)


if __name__ == "__main__":
    main()
