"""The files in deploy/ (rules, dashboards and documents), and the names of metrics in them."""

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
RULES = DEPLOY / "prometheus" / "rules.yaml"
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml"))
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RUNBOOK = ROOT / "docs" / "runbook.md"
HOMEPAGE: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Homepage"]
RUNBOOK_URL = f"{HOMEPAGE}/blob/main/docs/runbook.md"

Rule: TypeAlias = dict[str, Any]

# The name of a recording rule, level:metric:operations, and the name of a metric of the exporter.
_RECORDED = re.compile(r"\b[a-z_]+:cloudflare_access_\w+:\w+")
_EXPORTED = re.compile(r"(?<![\w:])cloudflare_access_\w+(?![\w:])")
_CATALOGUED = re.compile(r"^\| `(\w+)` \| (gauge|counter|histogram) \| (.*?) \|", re.MULTILINE)


def rules(path: Path) -> list[Rule]:
    """Return the rules of all groups of a file."""
    return [rule for group in yaml.safe_load(path.read_text("utf-8"))["groups"] for rule in group["rules"]]


def alert_names() -> set[str]:
    """Return the name of every alert."""
    return {rule["alert"] for rule in rules(ALERTS)}


@cache
def catalogue() -> dict[str, set[str]]:
    """Return the labels of every metric in docs/metrics.md, by the name of the metric."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in _CATALOGUED.findall((ROOT / "docs" / "metrics.md").read_text("utf-8")):
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        found |= {name + suffix: set(re.findall(r"`(\w+)`", labels)) for suffix in suffixes}
    return found


def named_metrics(text: str) -> Iterator[str]:
    """Yield the name of each metric and of each recording rule in a text."""
    yield from _RECORDED.findall(text)
    for name in _EXPORTED.findall(_RECORDED.sub(" ", text)):
        if not name.endswith("_"):  # a prefix of several names
            yield name


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels of a dashboard, including the panels in rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboards() -> dict[str, dict[str, Any]]:
    """Return every committed dashboard by its uid."""
    loaded = (json.loads(path.read_text("utf-8")) for path in DASHBOARDS)
    return {dashboard["uid"]: dashboard for dashboard in loaded}
