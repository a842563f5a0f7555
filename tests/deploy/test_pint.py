"""pint, Cloudflare's linter for Prometheus rules, reports no problem in the rules or in the series that they query."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import Chain
from tests.deploy.files import ALERTS, RULES, named_metrics, rules
from tests.deploy.monitoring import eventually
from tests.deploy.programs import program

pytestmark = pytest.mark.deploy

CONFIG = ALERTS.parent / ".pint.hcl"
# By default, pint looks for series of the last week, every five minutes. The test has series of only a few seconds.
ONLINE = """
check "promql/series" {{
  lookbackRange = "1m"
  lookbackStep  = "1s"
}}

prometheus "test" {{
  uri      = "{url}"
  required = true
}}
"""


def problems(config: Path, *flags: str) -> str:
    """Return the problems that pint reports; raises AssertionError if pint did not check every rule."""
    lint = ["lint", "--min-severity=info", "--fail-on=info", str(ALERTS), str(RULES)]
    command = [program("pint"), "--no-color", f"--config={config}", *flags, *lint]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"entries={len(rules(ALERTS)) + len(rules(RULES))}" in done.stderr, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if not line.startswith("level=INFO"))


def test_pint_reports_nothing_about_the_text() -> None:
    """Offline, with the committed configuration, pint reports no problem of any severity."""
    assert problems(CONFIG, "--offline") == ""


def test_pint_reports_nothing_about_the_series(chain: Chain, tmp_path: Path) -> None:
    """With a Prometheus that scrapes the exporter, pint reports no problem: every series and label exists."""
    config = tmp_path / "pint.hcl"
    config.write_text(CONFIG.read_text("utf-8") + ONLINE.format(url=chain.prometheus.url), "utf-8")
    for name in named_metrics(ALERTS.read_text("utf-8") + RULES.read_text("utf-8")):
        eventually(name, lambda name=name: chain.prometheus.query(name))  # type: ignore[misc]  # a lambda with a default is not typed
    assert problems(config) == ""


def test_pint_finds_a_missing_runbook(tmp_path: Path) -> None:
    """With the committed configuration, pint refuses an alert without a runbook URL."""
    text = ALERTS.read_text("utf-8")
    wrong = tmp_path / ALERTS.name
    wrong.write_text(text.replace("runbook_url: https://", "handbook_url: https://", 1), "utf-8")
    command = [program("pint"), "--no-color", f"--config={CONFIG}", "--offline", "lint", str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "runbook_url" in done.stderr
