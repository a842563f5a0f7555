"""The installation of the Helm chart: the package, the documented commands and values, and the notes of helm."""

import base64
import gzip
import json
import re
import shlex
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from access_exporter import __version__
from tests.deploy.documents import BLOCKS
from tests.deploy.files import ALERTS, DASHBOARDS, RULES, dashboards
from tests.deploy.helm import CHART, ID, NAME, VALUES, container, helm, notes, only, rendered, workload
from tests.deploy.programs import program
from tests.processes import ROOT

MINE = {"config": {"accounts": [{"id": "9a7806061c88ada191ed06f989cc3dac"}]}}
EVERYTHING = {
    "shards": 3,
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"configMaps": {"enabled": True}, "grafanaOperator": {"enabled": True}},
}
MOST_OF_A_SECRET = 1 << 20  # bytes; the maximum size of a Kubernetes Secret


def test_the_package_has_real_dashboards(tmp_path: Path) -> None:
    """`helm package` packs the dashboard files instead of the symbolic link, and leaves out the test values."""
    assert helm("package", CHART, "--destination", tmp_path).returncode == 0
    with tarfile.open(tmp_path / f"{NAME}-{__version__}.tgz") as package:
        members = {member.name.removeprefix(f"{NAME}/"): member for member in package}
        assert all(member.isfile() for member in members.values())
        for dashboard in DASHBOARDS:
            file = package.extractfile(members[f"dashboards/{dashboard.name}"])
            assert file is not None
            assert file.read() == dashboard.read_bytes()
    assert {"values.schema.json", "README.md", "templates/NOTES.txt", "rules/alerts.yaml"} < members.keys()
    assert not [name for name in members if name.startswith("ci/")]
    assert rendered(chart=tmp_path / f"{NAME}-{__version__}.tgz") == rendered()


def test_a_release_fits_into_its_secret() -> None:
    """Helm stores a release in a Secret, and this Secret takes less than half of the maximum size."""
    manifest = helm("template", NAME, CHART, values=EVERYTHING).stdout
    files = {
        str(path.relative_to(CHART)): base64.b64encode(path.read_bytes()).decode()
        for path in [*CHART.rglob("*"), *(CHART / "dashboards").iterdir()]
        if path.is_file() and "ci" not in path.parts
    }
    release = json.dumps({"chart": {"files": files, "values": VALUES}, "config": EVERYTHING, "manifest": manifest})
    stored = base64.b64encode(base64.b64encode(gzip.compress(release.encode())))
    assert len(stored) < MOST_OF_A_SECRET / 2


def test_dashboards_match_deploy_grafana() -> None:
    """A ConfigMap for Grafana's sidecar and a GrafanaDashboard object hold each committed dashboard unchanged."""
    objects = rendered(values=EVERYTHING)
    maps = [each for each in objects if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
    texts = [text for each in maps for text in each["data"].values()]
    assert {json.loads(text)["uid"]: json.loads(text) for text in texts} == dashboards()
    files = [name for each in maps for name in each["data"]]
    assert len(set(files)) == len(files), "the sidecar writes all files into one folder"
    operated = [each["spec"]["json"] for each in objects if each["kind"] == "GrafanaDashboard"]
    assert {json.loads(text)["uid"]: json.loads(text) for text in operated} == dashboards()


def test_rules_match_deploy_prometheus() -> None:
    """With the job name `cloudflare-access`, the PrometheusRule has exactly the rules of deploy/prometheus."""
    values = {"prometheusRule": {"enabled": True, "job": "cloudflare-access"}}
    groups = only(rendered(values=values), "PrometheusRule")["spec"]["groups"]
    assert groups == [group for path in (ALERTS, RULES) for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]


def test_rules_follow_the_values(tmp_path: Path) -> None:
    """The rules use the job, thresholds, severities and links of the values, and leave out a disabled alert."""
    rule = {
        "enabled": True,
        "thresholds": {"seats_idle_ratio": 0.35, "seats_idle_days": 3, "users_difference": 1_000_000},
        "severities": {"warning": "ticket", "critical": "page"},
        "dashboardUrl": "https://grafana.example.com/",
        "runbookUrl": "https://wiki.example.com/runbook",
        "disabled": ["CloudflareAccessDataStale"],
    }
    objects = rendered(values={"prometheusRule": rule})
    rules = [one for group in only(objects, "PrometheusRule")["spec"]["groups"] for one in group["rules"]]
    alerts = [one for one in rules if "alert" in one]
    assert {alert["labels"]["severity"] for alert in alerts} == {"ticket", "page"}
    for alert in alerts:
        assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example.com/d/")
        assert alert["annotations"]["runbook_url"].startswith("https://wiki.example.com/runbook#")
    named = {alert["alert"]: alert["expr"] for alert in alerts}
    assert "CloudflareAccessDataStale" not in named
    assert "0.35" in named["CloudflareAccessSeatsIdle"]
    assert f'job="{only(objects, "Service")["metadata"]["name"]}"' in named["CloudflareAccessExporterDown"]
    assert "${" not in yaml.safe_dump(rules)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(only(objects, "PrometheusRule")["spec"]), encoding="utf-8")
    subprocess.run([program("promtool"), "check", "rules", tmp_path / "rules.yaml"], capture_output=True, check=True)


def test_documented_commands_render() -> None:
    """The `helm install` command in the README renders a configuration with the account in its arguments."""
    (text,) = (each.text for each in BLOCKS if each.language == "sh" and "helm -n" in each.text)
    (line,) = re.findall(r"^helm .* install .*$", text.replace("\\\n", " "), re.MULTILINE)
    words = ["template" if word == "install" else word for word in shlex.split(line)[1:]]
    ended = helm(*(str(ROOT / word) if word.startswith("deploy/") else word for word in words))
    assert ended.returncode == 0, ended.stderr
    assert f"id: {ID}" in ended.stdout


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "has the id of the example"),
        (MINE, "create secret generic cloudflare-access-exporter --from-file=token=/dev/stdin"),
        (MINE, "kubectl --namespace access rollout status deployment/cloudflare-access-exporter"),
        (MINE, "helm test cloudflare-access-exporter --namespace access"),
        (MINE, "Nothing scrapes the exporter yet"),
        (MINE | {"shards": 2}, "rollout status statefulset/cloudflare-access-exporter"),
        (MINE | {"shards": 2}, "set config.api.requests_per_second"),
        (
            MINE | {"web": {"existingSecret": "w", "basicAuth": True}, "serviceMonitor": {"enabled": True}},
            "Secret cloudflare-access-exporter-scrape with the keys username and password",
        ),
        (
            {
                "config": {"accounts": [{"id": ID[::-1], "policy_tests": [{"discover": "applications"}]}]},
                "persistence": {"enabled": False},
            },
            "Each new pod starts every policy test again",
        ),
    ],
    ids=str,
)
def test_notes_show_the_next_command(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    """After an install, the notes of helm say what is missing and show the next command."""
    assert said in notes(values, tmp_path)


def test_notes_ask_only_for_missing_things(tmp_path: Path) -> None:
    """With a Secret, a ServiceMonitor and an account in the values, the notes of helm have no warning."""
    text = notes(MINE | {"secret": {"data": {"token": "made-up"}}, "serviceMonitor": {"enabled": True}}, tmp_path)
    assert not re.search("WARNING|waits|Nothing|needs", text)
    assert "made-up" not in text


@pytest.mark.parametrize("release", ["access", "cloudflare.access", "x" * 53])
def test_names_are_short_enough(release: str) -> None:
    """Each name is valid for a Service and short enough for the suffix that Kubernetes adds; a pod knows its name."""
    ended = helm("template", release, CHART, values={"shards": 2})
    objects = list(yaml.safe_load_all(ended.stdout))
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", workload(objects)["metadata"]["name"])
    assert len(workload(objects)["metadata"]["name"]) <= 63 - len("-0123456789")
    assert "POD_NAME" in [variable["name"] for variable in container(objects)["env"]]
