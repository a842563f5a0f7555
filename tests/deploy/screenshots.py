"""Takes the picture of the status page that stands in the README: python -m tests.deploy.screenshots."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.chromium import Screen, chromium
from tests.deploy.programs import program
from tests.processes import ROOT, exporter

PICTURE = ROOT / "docs" / "status-page.png"
SCREEN = Screen(900, 790)


def main() -> None:
    """Show the page of a demo that has polled everything once, and write what Chromium shows."""
    with (
        TemporaryDirectory() as profile,
        exporter("--demo") as demo,
        chromium(program("chromium"), Path(profile)) as tab,
    ):
        tab.open(f"{demo.url}/", SCREEN, "light")
        while "first poll" in tab.evaluate("document.body.innerText"):
            tab.open(f"{demo.url}/", SCREEN, "light")
        tab.screenshot(PICTURE)


if __name__ == "__main__":
    main()
