"""The rules match their unit tests, the runbook and the list of metrics in docs/metrics.md."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from access_exporter.serving.status_accounts import SEATS_CRITICAL, SEATS_WARNING
from tests.deploy.files import (
    ALERTS,
    DASHBOARDS,
    DEPLOY,
    RULE_TESTS,
    RULES,
    RUNBOOK,
    RUNBOOK_URL,
    alert_names,
    catalogue,
    named_metrics,
    rules,
)
from tests.deploy.programs import program
from tests.processes import ROOT

DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *DEPLOY.rglob("*.md")})
PROMTOOLS = ("promtool", "promtool3")  # the promtool of Debian's package, and the promtool of Prometheus 3
CHECKED = [ALERTS, RULES, *RULE_TESTS, *DASHBOARDS, *DOCUMENTS]


def promtool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.deploy
@pytest.mark.parametrize("name", PROMTOOLS)
@pytest.mark.parametrize("path", [ALERTS, RULES], ids=lambda path: path.name)
def test_promtool_accepts_the_rules(name: str, path: Path) -> None:
    """The promtool of Prometheus 2 and of Prometheus 3 accepts every rule, and finds no duplicate rule."""
    checked = promtool(name, "check", "rules", "--lint=all", "--lint-fatal", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.deploy
@pytest.mark.parametrize("name", PROMTOOLS)
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_rules_pass_their_unit_tests(name: str, path: Path) -> None:
    """The unit tests of the rules pass with Prometheus 2 and with Prometheus 3."""
    tested = promtool(name, "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_unit_tests_record_before_they_alert(path: Path) -> None:
    """The unit tests set the order of all groups, because promtool otherwise evaluates groups in a random order."""
    groups = [group["name"] for file in (RULES, ALERTS) for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    assert yaml.safe_load(path.read_text("utf-8"))["group_eval_order"] == groups


def test_every_alert_has_tests_that_it_fires_and_stays_quiet() -> None:
    """The unit tests expect that each alert fires at each severity, and that it stays quiet otherwise."""
    expectations = [
        expectation
        for path in RULE_TESTS
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for expectation in test.get("alert_rule_test", [])
    ]
    fires = {
        (expectation["alertname"], alert["exp_labels"]["severity"])
        for expectation in expectations
        for alert in expectation.get("exp_alerts", [])
    }
    quiet = {expectation["alertname"] for expectation in expectations if not expectation.get("exp_alerts")}
    assert fires == {(rule["alert"], rule["labels"]["severity"]) for rule in rules(ALERTS)}
    assert quiet == alert_names()


def test_every_recording_rule_has_a_unit_test() -> None:
    """The unit tests expect a value of each recording rule."""
    tested = {
        expectation["expr"]
        for path in RULE_TESTS
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for expectation in test.get("promql_expr_test", [])
    }
    assert tested == {rule["record"] for rule in rules(RULES)}


@pytest.mark.parametrize("rule", rules(ALERTS), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_alert_has_its_labels_and_annotations(rule: dict[str, dict[str, str]]) -> None:
    """An alert has a severity, a summary without variables, a description with labels, and the URL of its runbook."""
    assert str(rule["alert"]).startswith("CloudflareAccess")
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert "{{" not in annotations["summary"]
    assert "$labels." in annotations["description"]
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}#{str(rule['alert']).lower()}"


def test_runbook_has_a_heading_per_alert() -> None:
    """The runbook has one section for each alert, in the order of the rules, with the parts Means, Check and Do."""
    _, *sections = re.split(r"^## ", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)
    in_order = list(dict.fromkeys(rule["alert"] for rule in rules(ALERTS)))
    assert [section.splitlines()[0] for section in sections] == in_order
    for section in sections:
        assert re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE) == ["Means", "Check", "Do"], section


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_named_metric_exists(path: Path) -> None:
    """Every metric in a rule, a panel or a document is in docs/metrics.md or is a recording rule."""
    known = catalogue().keys() | {rule["record"] for rule in rules(RULES)}
    families = {name.removesuffix("_bucket") for name in known if name.endswith("_bucket")}
    assert set(named_metrics(path.read_text("utf-8"))) <= known | families


@pytest.mark.parametrize("path", [ALERTS, RULES], ids=lambda path: path.name)
def test_selectors_use_labels_that_exist(path: Path) -> None:
    """A selector on a metric of the exporter uses only labels that this metric has."""
    for rule in rules(path):
        for name, matchers in re.findall(r"(?<![\w:])(cloudflare_access_\w+)\{(.*?)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= catalogue()[name], rule["expr"]


def test_seat_thresholds_match_the_status_page() -> None:
    """The alerts about the seat limit fire at the same shares at which the status page changes its colour."""
    thresholds = {
        rule["labels"]["severity"]: rule["expr"].rpartition(">= ")[2]
        for rule in rules(ALERTS)
        if rule["alert"] == "CloudflareAccessSeatsNearLimit"
    }
    assert thresholds == {"warning": str(SEATS_WARNING), "critical": str(SEATS_CRITICAL)}
