"""The compressed /metrics page in curl and Chromium, which stop reading at the end of a gzip member."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.chromium import Screen, chromium
from tests.deploy.programs import program
from tests.processes import Exporter, exporter

pytestmark = pytest.mark.deploy

FIRST, LAST = "# HELP cloudflare_access_account_info ", "# TYPE cloudflare_access_api_ratelimit_remaining gauge"


@pytest.fixture(scope="module")
def demo() -> Iterator[Exporter]:
    with exporter("--demo") as running:
        running.wait_for("poll succeeded", collector="users")
        yield running


def test_curl(demo: Exporter) -> None:
    """With `curl --compressed`, /metrics is complete, and curl reports no error."""
    command = [program("curl"), "--compressed", "--silent", "--show-error", "--fail", f"{demo.url}/metrics"]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert page.startswith(FIRST)
    assert LAST in page


def test_chromium(demo: Exporter, tmp_path: Path) -> None:
    """A browser shows the whole /metrics page."""
    with chromium(program("chromium"), tmp_path) as tab:
        tab.open(f"{demo.url}/metrics", Screen(1440, 900), "light")
        page = tab.evaluate("document.body.innerText")
    assert page.startswith(FIRST)
    assert LAST in page
