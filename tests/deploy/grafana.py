"""What Grafana does with a dashboard before it queries Prometheus: it fills in the variables."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from access_exporter import simulator
from tests.deploy.files import dashboards, panels

# The interval suits a scrape each second. The demo has no labels `cluster` and `namespace`: they have the value of All.
VARIABLES = {
    "__rate_interval": "30s",
    "cluster": ".*",
    "namespace": ".*",
    "job": "cloudflare-access",
    "account": ".+",
    "account_id": simulator.DEMO.account_id,
    "policy_test": ".+",
    "price": "7",
}


def filled(text: str, **chosen: str) -> str:
    """Return a query with the values of its variables, as Grafana sends it; raises KeyError for an unknown variable."""
    return re.sub(r"\$(\w+)", lambda found: (VARIABLES | chosen)[found[1]], text)


def queries() -> Iterator[Any]:  # Any: what pytest.param returns
    """Yield each query together with its panel, for a parametrised test."""
    for uid, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield pytest.param(panel, target, id=f"{uid}: {panel['title']} {target['refId']}")


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield every query of a dashboard: the queries of its panels, its annotations and its variables."""
    for panel in panels(dashboard):
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])
    yield from (variable["query"]["query"] for variable in variables(dashboard).values() if variable["type"] == "query")


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of a dashboard by name, in the order of the dashboard."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def label_values(query: str) -> tuple[str, str]:
    """Return the series and the label in a query `label_values(series, label)`."""
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    assert found is not None, query
    return found[1], found[2]
