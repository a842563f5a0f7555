"""Every query of every dashboard returns data of the demo, for each choice of variables, in Prometheus 2 and 3."""

import math
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from access_exporter import simulator
from docs import draw_dashboard
from tests.deploy.conftest import DEMO_LABELS, Chain
from tests.deploy.files import dashboards, panels
from tests.deploy.grafana import filled, label_values, queries, variables
from tests.deploy.monitoring import eventually

pytestmark = pytest.mark.deploy

# The choice All, and the cluster and namespace of the demo. Recorded series do not have these two labels.
CHOICES: tuple[dict[str, str], ...] = ({}, DEMO_LABELS)


def asked(expression: str, choice: dict[str, str]) -> str:
    """Return a query as Grafana sends it, but with a range of 1 h in steps of 1 s instead of 7 d in steps of 5 min."""
    return filled(expression, **choice).replace("[7d:5m]", "[1h:1s]")


@pytest.mark.parametrize(("panel", "target"), list(queries()))
def test_query_returns_data_of_the_demo(chain: Chain, panel: dict[str, Any], target: dict[str, Any]) -> None:
    """A query returns finite numbers with the labels of the legend, and several points for a time series panel."""
    wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for choice in CHOICES:
        query = asked(target["expr"], choice)

        def found(query: str = query) -> list[dict[str, Any]]:
            samples = chain.prometheus.query(query)
            return samples if samples and all(math.isfinite(float(sample["value"][1])) for sample in samples) else []

        for sample in eventually(query, found):
            assert wanted <= sample["metric"].keys()
        if panel["type"] == "timeseries":

            def drawn(query: str = query) -> bool:
                now = time.time()
                answer = chain.prometheus.get("query_range", query=query, start=now - 60, end=now, step=1)
                return any(len(series["values"]) > 1 for series in answer["result"])

            eventually(f"a line of {query}", drawn)


def marks() -> Iterator[Any]:
    for uid, dashboard in dashboards().items():
        for annotation in dashboard["annotations"]["list"]:
            yield pytest.param(annotation, id=f"{uid}: {annotation['name']}")


@pytest.mark.parametrize("annotation", list(marks()))
def test_annotation_has_the_time_of_its_event(chain: Chain, annotation: dict[str, Any]) -> None:
    """An annotation has a time of the last hour, in milliseconds, and the label that its text shows."""
    if annotation["name"] == "Reloads":
        started = f'time() - process_start_time_seconds{{instance="127.0.0.1:{chain.faulty.port}"}} > 11'
        eventually("an exporter that has run for a while", lambda: chain.prometheus.query(started))
        chain.faulty.process.send_signal(signal.SIGHUP)
    query = filled(annotation["expr"])
    (label,) = re.findall(r"\{\{(\w+)\}\}", annotation["textFormat"])
    for sample in eventually(query, lambda: chain.prometheus.query(query)):
        assert time.time() - 3600 < float(sample["value"][1]) / 1000 <= time.time()
        assert sample["metric"][label]


@pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
def test_variables_have_values_in_the_demo(chain: Chain, dashboard: dict[str, Any]) -> None:
    """Each variable lists the values of the demo, and the name of an account selects the account's id."""
    expected = {
        "cluster": {DEMO_LABELS["cluster"]},
        "namespace": {DEMO_LABELS["namespace"]},
        "job": {"cloudflare-access"},
        "account": {"Demo (simulated)"},
        "account_id": {simulator.DEMO.account_id},
        "policy_test": set(simulator.DEMO.policy_tests.values()),
    }
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            series, label = label_values(variable["query"]["query"])
            matching = {"match[]": filled(series, account="Demo \\\\(simulated\\\\)")}

            def listed(label: str = label, matching: dict[str, str] = matching) -> set[str]:
                return set(chain.prometheus.get(f"label/{label}/values", **matching))

            eventually(name, lambda name=name, listed=listed: expected[name] <= listed())  # type: ignore[misc]  # a lambda with a default is not typed
            if name == "account_id":
                assert listed() == expected[name]


@pytest.mark.parametrize("uid", ["cloudflare-access-overview", "cloudflare-access-policies"])
def test_dashboard_can_be_drawn(chain: Chain, uid: str) -> None:
    """The drawing of a dashboard shows each of its panels with data from Prometheus."""
    dashboard = dashboards()[uid]

    def words() -> set[str]:
        picture = "".join(draw_dashboard.draw(dashboard, chain.prometheus.url))
        return set(re.findall(r"<text[^>]*>([^<]*)</text>", picture))

    # A panel that shows the change of a number has no data at first.
    drawn = eventually(
        "numbers in every panel", lambda: found if draw_dashboard.NO_DATA not in (found := words()) else None
    )
    assert {panel["title"] for panel in panels(dashboard) if panel["type"] != "row"} <= drawn
