"""Panels in the JSON format of Grafana. `dashboard.py` sets their positions."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

from deploy.grafana.thresholds import PLAIN, Steps

Json: TypeAlias = dict[str, Any]  # Any: Grafana's JSON

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
RUNBOOK = f"{PROJECT['urls']['Homepage']}/blob/main/docs/runbook.md"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


class Looks(TypedDict, total=False):
    """The optional settings of a panel."""

    unit: str
    decimals: int
    min: float
    max: float
    steps: Steps
    mappings: Sequence[Json]
    overrides: Sequence[Json]
    custom: Json
    options: Json
    transformations: Sequence[Json]
    alert: str  # the name of an alert: the panel links to its section in the runbook
    details: str  # the uid of a dashboard: the panel links to it


def query(expression: str, legend: str = "{{account_name}}", *, instant: bool = False, form: str = "") -> Json:
    """Return a query; `legend` is Grafana's template for the name of a series."""
    return {
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend,
        "instant": instant,
        "range": not instant,
    } | ({"format": form} if form else {})


def steps_of(steps: Steps) -> Json:
    """Return the thresholds of a panel as JSON."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def panel(kind: str, title: str, description: str, queries: Sequence[Json], **looks: Unpack[Looks]) -> Json:
    """Return a panel."""
    defaults: Json = {
        "unit": looks.get("unit", "short"),
        "color": {"mode": "palette-classic" if kind in ("timeseries", "barchart") else "thresholds"},
        "thresholds": steps_of(looks.get("steps", PLAIN)),
        "custom": looks.get("custom", {}),
        "mappings": list(looks.get("mappings", ())),
    }
    for name in ("decimals", "min", "max"):
        if name in looks:
            defaults[name] = looks[name]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [query | {"refId": chr(ord("A") + number)} for number, query in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(looks.get("overrides", ()))},
        "options": looks.get("options", {}),
        "links": _links(looks.get("alert", ""), looks.get("details", "")),
    } | ({"transformations": list(looks["transformations"])} if "transformations" in looks else {})


def _links(alert: str, details: str) -> list[Json]:
    links: list[Json] = []
    if alert:
        links.append({"title": f"Runbook: {alert}", "url": f"{RUNBOOK}#{alert.lower()}", "targetBlank": True})
    if details:
        links.append({"title": "Details", "url": f"/d/{details}?${{__url_time_range}}&${{__all_variables}}"})
    return links


def stat(
    title: str, description: str, expression: str, legend: str = "{{account_name}}", **looks: Unpack[Looks]
) -> Json:
    """Return a panel with one number for each series."""
    options = {"reduceOptions": LAST, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
    looks["options"] = options | looks.get("options", {})
    return panel("stat", title, description, [query(expression, legend)], **looks)


def gauge(title: str, description: str, expression: str, **looks: Unpack[Looks]) -> Json:
    """Return a panel with a half-circle gauge for each series."""
    looks["options"] = {"reduceOptions": LAST}
    return panel("gauge", title, description, [query(expression)], **looks)


def timeseries(title: str, description: str, *queries: Json, **looks: Unpack[Looks]) -> Json:
    """Return a panel with a line for each series; the axis starts at 0."""
    lines = {"lineWidth": 2, "fillOpacity": 8, "showPoints": "never", "spanNulls": 600_000}
    looks["custom"] = lines | looks.get("custom", {})
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["lastNotNull"],
            "sortBy": "Last *",
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, **({"min": 0, "options": options} | looks))


def areas(title: str, description: str, *queries: Json, **looks: Unpack[Looks]) -> Json:
    """Return a panel of stacked areas."""
    stacked = {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
    looks["custom"] = stacked
    return timeseries(title, description, *queries, **looks)


def bars(title: str, description: str, expression: str, legend: str, **looks: Unpack[Looks]) -> Json:
    """Return a panel with a horizontal bar for each current series."""
    options = {"reduceOptions": LAST, "orientation": "horizontal", "displayMode": "gradient", "showUnfilled": True}
    queries = [query(expression, legend, instant=True)]
    return panel("bargauge", title, description, queries, **({"min": 0, "options": options} | looks))


def words(*pairs: tuple[float, str, str]) -> list[Json]:
    """Return a value mapping from numbers to coloured words."""
    options = {f"{value:g}": {"text": text, "color": color} for value, text, color in pairs}
    return [{"type": "value", "options": options}]


def fixed(series: str, color: str) -> Json:
    """Return an override that gives a fixed colour to the series that a regular expression matches."""
    return {
        "matcher": {"id": "byRegexp", "options": series},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }
