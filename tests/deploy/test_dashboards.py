"""Dashboards are what their code says, and every query of every panel finds something in the demo."""

import importlib.util
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from access_exporter import simulator
from tests.deploy.conftest import Chain
from tests.deploy.files import ALERTS, DASHBOARDS, DEPLOY, RUNBOOK_URL, alert_names, dashboards, panels, rules
from tests.deploy.monitoring import eventually
from tests.processes import ROOT

# What Grafana puts in the place of its variables, with an interval that fits a scrape a second.
VARIABLES = {
    "$__rate_interval": "30s",
    "$job": ".+",
    "$account": simulator.DEMO.account_id,
    "$policy_test": ".+",
    "$price": "7",
}
COLOURED = {
    "Seats used of limit": {"CloudflareAccessSeatsNearLimit"},
    "Idle seats": {"CloudflareAccessSeatsIdle"},
    "Most people newly blocked": {"CloudflareAccessPolicyNewlyBlocks"},
    "Oldest test, in refreshes": {"CloudflareAccessPolicyTestOverdue"},
    "Age of the numbers, in intervals": {"CloudflareAccessPollFailing", "CloudflareAccessDataStale"},
}


LINKED = {f"{RUNBOOK_URL}#{name.lower()}" for name in alert_names()} | {f"/d/{uid}" for uid in dashboards()}


def queries() -> Iterator[Any]:
    for uid, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield pytest.param(panel, target, id=f"{uid}: {panel['title']} {target['refId']}")


def expression(text: str) -> str:
    """Return a query as Grafana sends it."""
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    assert "$" not in text, "a variable that Grafana would not fill here"
    return text


def script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return script(DEPLOY / "grafana" / "generate_dashboards.py")


def test_committed_dashboards_are_those_of_the_code(generator: ModuleType) -> None:
    """The JSON is what the code writes; python deploy/grafana/generate_dashboards.py writes it again."""
    assert {path: path.read_text("utf-8") for path in DASHBOARDS} == generator.dashboards()


@pytest.mark.parametrize(("title", "alerts"), COLOURED.items())
def test_panels_turn_their_colour_where_alerts_fire(title: str, alerts: set[str]) -> None:
    """The thresholds of a panel are those of its alerts, each once."""
    expressions = [rule["expr"] for rule in rules(ALERTS) if rule["alert"] in alerts]
    limits = {float(limit) for text in expressions for limit in re.findall(r">=? ([0-9.]+)", text)}
    steps = [
        [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        if panel["title"] == title
    ]
    assert sorted(limits) in steps


@pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
def test_dashboard_can_be_provisioned(dashboard: dict[str, Any]) -> None:
    """A dashboard has a stable uid, no id of one database, and asks the data source that was chosen."""
    assert re.fullmatch(r"[a-z0-9-]{8,40}", dashboard["uid"])
    assert "id" not in dashboard
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert {"datasource", "job", "account"} <= variables
    for panel in panels(dashboard):
        for source in [panel, *panel.get("targets", [])]:
            assert source.get("datasource", {"uid": "${datasource}"})["uid"] == "${datasource}"


@pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
def test_panels_explain_themselves_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    """Each panel has its own id and place, a title, a description, a unit; links lead to the runbook or a dashboard."""
    shown = list(panels(dashboard))
    assert len({panel["id"] for panel in shown}) == len(shown)
    taken: set[tuple[int, int]] = set()
    for panel in shown:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
        for link in panel.get("links", []):
            assert link["url"].partition("?")[0] in LINKED


@pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
def test_queries_use_variables_of_their_dashboard(dashboard: dict[str, Any]) -> None:
    """Grafana knows every variable of a query: the dashboard declares it, or Grafana itself does."""
    declared = {f"${variable['name']}" for variable in dashboard["templating"]["list"]}
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            assert set(re.findall(r"\$\w+", target["expr"])) <= declared | {"$__rate_interval"}, panel["title"]


@pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
def test_dashboards_lead_to_each_other(dashboard: dict[str, Any]) -> None:
    """Each dashboard links to all others, with the time and the variables that are chosen."""
    (link,) = [link for link in dashboard["links"] if link["type"] == "dashboards"]
    assert link["keepTime"]
    assert link["includeVars"]
    assert all(set(link["tags"]) <= set(other["tags"]) for other in dashboards().values())


@pytest.mark.deploy
@pytest.mark.parametrize(("panel", "target"), list(queries()))
def test_query_finds_something_in_the_demo(chain: Chain, panel: dict[str, Any], target: dict[str, Any]) -> None:
    """Prometheus answers with numbers, and with the labels the legend shows; over time where the panel shows time."""
    asked = expression(target["expr"])

    def found() -> list[dict[str, Any]]:
        samples = chain.prometheus.query(asked)
        return samples if samples and all(math.isfinite(float(sample["value"][1])) for sample in samples) else []

    samples = eventually(asked, found)
    wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for sample in samples:
        assert wanted <= sample["metric"].keys()
    if panel["type"] == "timeseries":

        def drawn() -> bool:
            now = time.time()
            answer = chain.prometheus.get("query_range", query=asked, start=now - 60, end=now, step=1)
            return any(len(series["values"]) > 1 for series in answer["result"])

        eventually(f"a line of {asked}", drawn)


@pytest.mark.deploy
def test_variables_have_values_in_the_demo(chain: Chain) -> None:
    """The choices at the top of a dashboard are filled: jobs, and accounts by name."""
    for dashboard in dashboards().values():
        variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
        series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables["job"]["definition"]).groups()  # type: ignore[union-attr]  # it is there, or the test fails
        assert {sample["metric"][label] for sample in chain.prometheus.query(series)} == {"cloudflare-access"}
        asked = re.fullmatch(r"query_result\((.*)\)", variables["account"]["definition"])
        assert asked is not None
        # Grafana matches the regular expression against lines such as name{label="value", …} 1 1700000000000.
        pattern = variables["account"]["regex"].strip("/").replace("(?<", "(?P<")
        texts = {
            ",".join(f'{name}="{value}"' for name, value in sorted(sample["metric"].items()))
            for sample in chain.prometheus.query(expression(asked[1]))
        }
        found = [match.groupdict() for match in (re.search(pattern, text) for text in texts) if match]
        assert {"value": simulator.DEMO.account_id, "text": "Demo (simulated)"} in found


@pytest.mark.deploy
@pytest.mark.parametrize("uid", ["cloudflare-access-overview", "cloudflare-access-policies"])
def test_dashboard_can_be_drawn(chain: Chain, uid: str) -> None:
    """The pictures in the documents are drawn from what a Prometheus answers, with every panel."""
    dashboard = dashboards()[uid]
    drawing = script(ROOT / "docs" / "draw_dashboard.py")

    def words() -> set[str]:
        return set(re.findall(r"<text[^>]*>([^<]*)</text>", "".join(drawing.draw(dashboard, chain.prometheus.url))))

    # Panels that show how a number changes have nothing to show at first.
    drawn = eventually("numbers in every panel", lambda: found if drawing.NO_DATA not in (found := words()) else None)
    assert {panel["title"] for panel in panels(dashboard) if panel["type"] != "row"} <= drawn
