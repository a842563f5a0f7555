"""The committed dashboards match their source code, and their panels, queries, variables and links are consistent."""

import re
from collections import Counter
from typing import Any

import pytest

from deploy.grafana import dashboards as generated
from tests.deploy.files import ALERTS, DASHBOARDS, RUNBOOK_URL, alert_names, dashboards, panels, rules
from tests.deploy.grafana import expressions, variables
from tests.processes import ROOT

COLOURED = {
    "Used share of the limit": {"CloudflareAccessSeatsNearLimit"},
    "Idle share of used seats": {"CloudflareAccessSeatsIdle"},
    "Most users newly blocked": {"CloudflareAccessPolicyNewlyBlocks"},
    "Age of the oldest test": {"CloudflareAccessPolicyTestOverdue"},
    "Age of the last test": {"CloudflareAccessPolicyTestOverdue"},
    "Age of the numbers": {"CloudflareAccessPollFailing", "CloudflareAccessDataStale"},
}
LINKED = {f"{RUNBOOK_URL}#{name.lower()}" for name in alert_names()} | {f"/d/{uid}" for uid in dashboards()}
SELECTED = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job"'
SELECTOR = re.compile(r"(\bup|\b([a-z_]+:)?(cloudflare_access|process|scrape)_\w+(:\w+)?)(?P<selector>\{[^}]*\})?")
every_dashboard = pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))


def test_committed_dashboards_are_current() -> None:
    """The committed JSON of each dashboard, also in the mixin, is what the code generates; `make docs` updates it."""
    written = generated()
    assert written.keys() >= set(DASHBOARDS)
    assert {path: path.read_text("utf-8") for path in written} == written


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "grafana").glob("*.py")), ids=lambda path: path.name)
def test_files_of_dashboards_are_short(path: Any) -> None:
    """Each Python file of the dashboards has less than 300 lines."""
    assert len(path.read_text("utf-8").splitlines()) < 300


@pytest.mark.parametrize(("title", "alerts"), COLOURED.items())
def test_panels_change_colour_where_alerts_fire(title: str, alerts: set[str]) -> None:
    """The colour of a panel changes at the thresholds of its alerts."""
    expressions = [rule["expr"] for rule in rules(ALERTS) if rule["alert"] in alerts]
    limits = {float(limit) for text in expressions for limit in re.findall(r">=? ([0-9.]+)", text)}
    steps = [
        [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        if panel["title"] == title
    ]
    assert sorted(limits) in steps


@every_dashboard
def test_dashboard_can_be_provisioned(dashboard: dict[str, Any]) -> None:
    """A dashboard has a stable uid and no database id, and all its queries use the selected data source."""
    assert re.fullmatch(r"[a-z0-9-]{8,40}", dashboard["uid"])
    assert "id" not in dashboard
    asking = [*panels(dashboard), *dashboard["annotations"]["list"]]
    asking += [target for panel in panels(dashboard) for target in panel.get("targets", [])]
    asking += [variable for variable in variables(dashboard).values() if variable["type"] == "query"]
    for source in asking:
        assert source.get("datasource", {"uid": "${datasource}"})["uid"] == "${datasource}"


@every_dashboard
def test_rows_are_full_and_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    """Exactly one panel covers each cell of the grid of 24 columns, down to the last row."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    taken = Counter(
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    height = max(place["y"] + place["h"] for place in places)
    assert taken == Counter((x, y) for x in range(24) for y in range(height))


@every_dashboard
def test_panels_have_a_title_description_and_unit(dashboard: dict[str, Any]) -> None:
    """Each panel has a unique id, a title, a description and a unit; its links open the runbook or a dashboard."""
    shown = list(panels(dashboard))
    assert len({panel["id"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
        for link in panel.get("links", []):
            assert link["url"].partition("?")[0] in LINKED


@every_dashboard
def test_queries_use_variables_of_their_dashboard(dashboard: dict[str, Any]) -> None:
    """Every variable of a query is declared by the dashboard or built into Grafana."""
    for asked in expressions(dashboard):
        assert set(re.findall(r"\$(\w+)", asked)) <= variables(dashboard).keys() | {"__rate_interval"}, asked


@every_dashboard
def test_variables_use_only_those_before_them(dashboard: dict[str, Any]) -> None:
    """A variable depends only on variables to its left, because Grafana fills them from left to right."""
    before: set[str] = set()
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            assert set(re.findall(r"\$(\w+)", variable["query"]["query"])) <= before, name
        before.add(name)


@every_dashboard
def test_queries_select_cluster_namespace_and_job(dashboard: dict[str, Any]) -> None:
    """Every query selects only series of the chosen clusters, namespaces and jobs."""
    asked = [text for text in expressions(dashboard) if not text.startswith("label_values")]
    found = [match for text in asked for match in SELECTOR.finditer(text)]
    assert found
    for match in found:
        assert SELECTED in (match["selector"] or ""), match[0]


@every_dashboard
def test_all_matches_series_without_a_cluster_or_namespace(dashboard: dict[str, Any]) -> None:
    """The choice All matches series that have no label `cluster` or `namespace`."""
    for name in ("cluster", "namespace"):
        variable = variables(dashboard)[name]
        assert variable["includeAll"]
        assert variable["current"]["value"] == ["$__all"]
        assert re.fullmatch(variable["allValue"], "")


@every_dashboard
def test_all_jobs_are_jobs_of_exporters(dashboard: dict[str, Any]) -> None:
    """The choice All selects only jobs of this exporter; a pattern would match every job of Prometheus."""
    assert "allValue" not in variables(dashboard)["job"]
    assert "cloudflare_access_exporter_build_info" in variables(dashboard)["job"]["query"]["query"]


@every_dashboard
def test_dashboards_link_to_each_other(dashboard: dict[str, Any]) -> None:
    """Each dashboard links to all others, and the link keeps the chosen time range and variables."""
    (link,) = [link for link in dashboard["links"] if link["type"] == "dashboards"]
    assert link["keepTime"]
    assert link["includeVars"]
    assert all(set(link["tags"]) <= set(other["tags"]) for other in dashboards().values())


def cell_links(panel: dict[str, Any]) -> dict[str, list[str]]:
    """Return the URLs of the links in the cells of a table, by column."""
    return {
        override["matcher"]["options"]: [link["url"] for link in each["value"]]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
    }


def test_the_accounts_link_to_their_overview_and_policies() -> None:
    """An account name in the table of accounts links to the overview and the policies of this account only."""
    (accounts,) = [
        p
        for p in panels(dashboards()["cloudflare-access-overview"])
        if p["title"] == "Accounts" and p["type"] == "table"
    ]
    addresses = cell_links(accounts)["Account"]
    assert [url.partition("?")[0] for url in addresses] == [
        "/d/cloudflare-access-overview",
        "/d/cloudflare-access-policies",
    ]
    for url in addresses:
        assert "&var-account=${__value.raw:percentencode}" in url


@every_dashboard
def test_links_set_variables_that_their_dashboard_has(dashboard: dict[str, Any]) -> None:
    """A link in a cell keeps variables of this dashboard and sets one other variable, which the target has."""
    for panel in panels(dashboard):
        columns = panel["transformations"][-1]["options"]["renameByName"].values() if panel["type"] == "table" else ()
        for column, addresses in (cell_links(panel) if panel["type"] == "table" else {}).items():
            assert column in columns
            for url in addresses:
                kept, (setting,) = re.findall(r"\$\{(\w+):queryparam\}", url), re.findall(r"&var-(\w+)=", url)
                assert set(kept) <= variables(dashboard).keys()
                assert setting in variables(dashboards()[url.partition("?")[0].removeprefix("/d/")])
                assert setting not in kept


@every_dashboard
def test_annotations_show_restarts_reloads_and_tests(dashboard: dict[str, Any]) -> None:
    """Annotations mark restarts, reloads and finished policy tests at their time, and name the instance or the test."""
    marks = {annotation["name"]: annotation for annotation in dashboard["annotations"]["list"]}
    assert marks.keys() == {"Restarts", "Reloads", "Policy tests"}
    for mark in marks.values():
        assert mark["useValueForTime"]
        assert mark["expr"].startswith("1000 * ")
        assert re.fullmatch(r"\{\{(instance|policy_test)\}\}", mark["textFormat"])


@every_dashboard
def test_panels_name_the_rules_they_need(dashboard: dict[str, Any]) -> None:
    """A panel that reads recorded series or alerts also works without the rules, and its description names the file."""
    for panel in panels(dashboard):
        asked = " ".join(target["expr"] for target in panel.get("targets", []))
        if ":cloudflare_access_" in asked:
            assert "rules.yaml" in panel["description"]
            assert "\nor " in asked
        if "ALERTS{" in asked:
            assert "alerts.yaml" in panel["description"]
            assert asked.endswith("or vector(0)")


def test_the_cost_of_idle_seats_comes_first() -> None:
    """The first panel of the overview, at the upper left, shows the cost of idle seats."""
    first = next(p for p in dashboards()["cloudflare-access-overview"]["panels"] if p["type"] != "row")
    assert "$price" in first["targets"][0]["expr"]
    assert "cloudflare_access_seats_idle" in first["targets"][0]["expr"]
    assert (first["gridPos"]["x"], first["gridPos"]["y"]) == (0, 1)
