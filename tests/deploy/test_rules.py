"""Rules, their unit tests, the runbook and the catalogue of metrics belong together."""

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
PROMTOOLS = ("promtool", "promtool3")  # the packaged one, and that of Prometheus 3
CHECKED = [ALERTS, RULES, *RULE_TESTS, *DASHBOARDS, *DOCUMENTS]


def promtool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.deploy
@pytest.mark.parametrize("name", PROMTOOLS)
@pytest.mark.parametrize("path", [ALERTS, RULES], ids=lambda path: path.name)
def test_promtool_finds_nothing_to_complain_about(name: str, path: Path) -> None:
    """`promtool check rules` of each major of Prometheus accepts every rule, and finds no duplicate."""
    checked = promtool(name, "check", "rules", "--lint=all", "--lint-fatal", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.deploy
@pytest.mark.parametrize("name", PROMTOOLS)
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_rules_do_what_their_unit_tests_say(name: str, path: Path) -> None:
    """The unit tests pass with each major of Prometheus: what fires, with which words, and what stays quiet."""
    tested = promtool(name, "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_unit_tests_record_before_they_alert(path: Path) -> None:
    """The unit tests evaluate every group in one order, so that no result depends on promtool's shuffling."""
    groups = [group["name"] for file in (RULES, ALERTS) for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    assert yaml.safe_load(path.read_text("utf-8"))["group_eval_order"] == groups


def test_every_alert_is_seen_firing_and_quiet() -> None:
    """The unit tests expect each alert, at each severity, once with its annotations and once not at all."""
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
    """The unit tests expect a value of each recorded series."""
    tested = {
        expectation["expr"]
        for path in RULE_TESTS
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for expectation in test.get("promql_expr_test", [])
    }
    assert tested == {rule["record"] for rule in rules(RULES)}


@pytest.mark.parametrize("rule", rules(ALERTS), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_alert_says_what_people_need(rule: dict[str, dict[str, str]]) -> None:
    """An alert has a severity, a plain summary, a description that names what it is about, and its runbook."""
    assert str(rule["alert"]).startswith("CloudflareAccess")
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert "{{" not in annotations["summary"]
    assert "$labels." in annotations["description"]
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}#{str(rule['alert']).lower()}"


def test_runbook_has_a_heading_per_alert() -> None:
    """The runbook's headings are the alerts, in the order of the rules, each with its three parts."""
    _, *sections = re.split(r"^## ", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)
    in_order = list(dict.fromkeys(rule["alert"] for rule in rules(ALERTS)))
    assert [section.splitlines()[0] for section in sections] == in_order
    for section in sections:
        assert re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE) == ["Means", "Check", "Do"], section


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_metric_is_named_that_does_not_exist(path: Path) -> None:
    """Every metric in a rule, a panel or a document is in the catalogue, or is recorded."""
    known = catalogue().keys() | {rule["record"] for rule in rules(RULES)}
    families = {name.removesuffix("_bucket") for name in known if name.endswith("_bucket")}
    assert set(named_metrics(path.read_text("utf-8"))) <= known | families


@pytest.mark.parametrize("path", [ALERTS, RULES], ids=lambda path: path.name)
def test_selectors_use_labels_that_exist(path: Path) -> None:
    """A selector on a metric of the exporter matches labels which that metric has."""
    for rule in rules(path):
        for name, matchers in re.findall(r"(?<![\w:])(cloudflare_access_\w+)\{(.*?)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= catalogue()[name], rule["expr"]


def test_seat_thresholds_are_those_of_the_status_page() -> None:
    """The alerts turn on at the shares at which the status page changes its colour."""
    thresholds = {
        rule["labels"]["severity"]: rule["expr"].rpartition(">= ")[2]
        for rule in rules(ALERTS)
        if rule["alert"] == "CloudflareAccessSeatsNearLimit"
    }
    assert thresholds == {"warning": str(SEATS_WARNING), "critical": str(SEATS_CRITICAL)}
