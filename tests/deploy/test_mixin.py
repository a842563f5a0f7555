"""The mixin: the rules and dashboards in jsonnet, with configurable thresholds, names and URLs."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.documents import BLOCKS
from tests.deploy.files import ALERTS, DEPLOY, RULES, RUNBOOK_URL, alert_names, dashboards, panels
from tests.deploy.programs import program
from tests.processes import ROOT

pytestmark = pytest.mark.deploy

MIXIN = DEPLOY / "mixin"
LIBRARIES = sorted(MIXIN.glob("*.libsonnet"))
THRESHOLDS: dict[str, dict[str, Any]] = json.loads((MIXIN / "thresholds.json").read_text("utf-8"))
OTHER = {
    "job": "access",
    "severities": {"warning": "ticket", "critical": "page"},
    "dashboard_url": "https://grafana.example.com/",
    "runbook_url": "https://runbooks.example.com/access",
    "thresholds": {name: threshold["default"] + 3 for name, threshold in THRESHOLDS.items()},
}

Groups = list[dict[str, Any]]


def jsonnet(field: str, config: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Render a field of the mixin with this configuration; a key that ends with + is merged with the default."""
    changed = json.dumps(config).replace('+":', '"+:')
    source = f"((import '{MIXIN / 'mixin.libsonnet'}') + {{ _config+:: {changed} }}).{field}"
    return subprocess.run([program("jsonnet"), "--exec", source], capture_output=True, text=True, check=False)


def rendered(field: str, **config: Any) -> Any:
    """Render a field of the mixin, and return its decoded JSON; fail on an error or a warning."""
    done = jsonnet(field, config)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def one_block(language: str, start: str = "") -> str:
    """Return the only block of the mixin's README that has this language and this start."""
    readme = str((MIXIN / "README.md").relative_to(ROOT))
    here = [block for block in BLOCKS if block.place.partition(":")[0] == readme and block.language == language]
    (found,) = (block.text for block in here if block.text.startswith(start))
    return found


def alerts_of(groups: Groups) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the alerts by name and number; an alert with two severities has two rules, so it appears twice."""
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    for rule in (rule for group in groups for rule in group["rules"]):
        counted[rule["alert"], f"{sum(name == rule['alert'] for name, _ in counted)}"] = rule
    return counted


@pytest.mark.parametrize(
    ("field", "path"), [("prometheusAlerts", ALERTS), ("prometheusRules", RULES)], ids=["alerts", "rules"]
)
def test_default_rules_match_deploy_prometheus(field: str, path: Path) -> None:
    """With its default configuration, the mixin has exactly the rules of deploy/prometheus."""
    assert rendered(field) == yaml.safe_load(path.read_text("utf-8"))


def test_default_dashboards_match_deploy_grafana() -> None:
    """With its default configuration, the mixin has exactly the dashboards of deploy/grafana, by their uid."""
    assert rendered("grafanaDashboards") == {f"{uid}.json": dashboard for uid, dashboard in dashboards().items()}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_threshold_changes_its_alert_and_no_other(name: str) -> None:
    """A changed threshold changes only the expression of the alert that the threshold's description names."""
    value = THRESHOLDS[name]["default"] + 3
    before = alerts_of(rendered("prometheusAlerts.groups"))
    after = alerts_of(rendered("prometheusAlerts.groups", **{"thresholds+": {name: value}}))
    changed = {key for key, rule in after.items() if rule["expr"] != before[key]["expr"]}
    assert {alert for alert, _ in changed} == {THRESHOLDS[name]["description"].partition(" ")[0]}
    assert all(re.search(rf"(?<![\d.]){re.escape(str(value))}(?![\d.]\d)", after[key]["expr"]) for key in changed)
    assert [
        key for key in after if after[key]["annotations"] != before[key]["annotations"] and key not in changed
    ] == []


def test_thresholds_change_the_colours_of_panels() -> None:
    """A panel uses the configured threshold of its alert for its colours and in its description."""
    others = {"seats_used_warning_ratio": 0.71, "seats_used_critical_ratio": 0.91, "credential_expiry_days": 21}
    changed = rendered("grafanaDashboards", **{"thresholds+": others})
    by_title = {panel["title"]: panel for dashboard in changed.values() for panel in panels(dashboard)}

    def steps(title: str) -> list[float | None]:
        return [step["value"] for step in by_title[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    assert steps("Used share of the limit") == [None, 0.71, 0.91]
    assert steps("Days until a token expires") == [None, 0, 21]
    assert "below 21 days" in by_title["Days until a token expires"]["description"]
    assert not re.search(r"\$\{(" + "|".join(THRESHOLDS) + r")\}", json.dumps(rendered("grafanaDashboards", **OTHER)))


@pytest.mark.parametrize("value", [0.07, 0.123456, 1 / 4, 1_000_000])
def test_thresholds_keep_their_digits(value: float) -> None:
    """An alert's expression has the configured threshold with exactly its digits, without a rounding error."""
    groups = rendered("prometheusAlerts.groups", **{"thresholds+": {"seats_idle_ratio": value}})
    (rule,) = (rule for group in groups for rule in group["rules"] if rule["alert"] == "CloudflareAccessSeatsIdle")
    assert [float(number) for number in re.findall(r"> (\S+)", rule["expr"])] == [value] * 3


def test_every_alert_uses_the_configured_names_and_urls() -> None:
    """Every alert has the configured job, severities, runbook URL and Grafana URL."""
    groups = rendered("prometheusAlerts.groups", **OTHER)
    rules = alerts_of(groups).values()
    assert "${" not in json.dumps(groups)
    assert {rule["labels"]["severity"] for rule in rules} == {"ticket", "page"}
    assert set(re.findall(r'job="(.*?)"', json.dumps([rule["expr"] for rule in rules]).replace('\\"', '"'))) == {
        "access"
    }
    links = {f"https://grafana.example.com/d/{uid}" for uid in dashboards()}
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"https://runbooks.example.com/access#{rule['alert'].lower()}"
        assert rule["annotations"]["dashboard_url"] in links
    assert RUNBOOK_URL not in json.dumps(rendered("grafanaDashboards", **OTHER))


@pytest.mark.parametrize("name", ["promtool", "promtool3"])
def test_promtool_accepts_other_configurations(name: str, tmp_path: Path) -> None:
    """Promtool accepts the rules of another configuration, even if the job name has a quotation mark."""
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps(rendered("prometheusAlerts", **OTHER | {"job": 'a "b" \\ c'})), "utf-8")
    checked = subprocess.run(
        [program(name), "check", "rules", "--lint=all", "--lint-fatal", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_disabled_alerts_are_left_out() -> None:
    """The mixin leaves out each alert in `disabled`, at every severity, and a group without any other alert."""
    assert rendered("prometheusAlerts.groups", disabled=sorted(alert_names())) == []
    groups = rendered("prometheusAlerts.groups", disabled=["CloudflareAccessSeatsNearLimit"])
    assert {alert for alert, _ in alerts_of(groups)} == alert_names() - {"CloudflareAccessSeatsNearLimit"}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"disabled": ["CloudflareAccessDown"]}, "there is no alert CloudflareAccessDown"),
        ({"thresholds+": {"seats_idel_ratio": 0.3}}, "there is no threshold seats_idel_ratio"),
    ],
)
def test_misspelled_names_are_errors(config: dict[str, Any], says: str) -> None:
    """The name of an unknown alert or threshold is an error, and the message shows the name."""
    done = jsonnet("prometheusAlerts", config)
    assert done.returncode != 0
    assert says in done.stderr


def test_readme_renders_the_mixin(tmp_path: Path) -> None:
    """The commands and the configuration in the mixin's README render the rules and dashboards."""
    shutil.copytree(MIXIN, tmp_path / "deploy" / "mixin")
    (tmp_path / "access.libsonnet").write_text(one_block("jsonnet"), "utf-8")
    for command in [line for line in one_block("sh", "jsonnet ").splitlines() if line]:
        for mixin in ("deploy/mixin/mixin.libsonnet", "access.libsonnet"):
            words = shlex.split(command.replace("deploy/mixin/mixin.libsonnet", mixin))
            environ = {"JSONNET_PATH": "deploy/mixin"}
            done = subprocess.run(
                [program(words[0]), *words[1:]], capture_output=True, text=True, check=False, cwd=tmp_path, env=environ
            )
            assert (done.returncode, done.stderr) == (0, "")
    assert {path.stem for path in (tmp_path / "dashboards").iterdir()} == dashboards().keys()


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.name)
def test_jsonnet_is_formatted_and_has_no_errors(path: Path) -> None:
    """Both jsonnetfmt and jsonnet-lint report no problem."""
    for command in ([program("jsonnetfmt"), "--test"], [program("jsonnet-lint")]):
        done = subprocess.run([*command, path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
