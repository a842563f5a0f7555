"""Draws a dashboard from the data of a running Prometheus, similar to Grafana.

python -m docs.draw_dashboard http://localhost:9090 overview >docs/dashboard.svg
python -m docs.draw_dashboard http://localhost:9090 policies >docs/policies.svg

The picture has the width of a README on GitHub. The panels are as tall as their text needs. Annotations are left out.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import requests

from docs import draw_panels
from docs.draw_panels import NAMED, Box, Series, Table, passed, text

DASHBOARDS = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
VARIABLES = {
    "__rate_interval": "1m",
    "cluster": ".*",
    "namespace": ".*",
    "job": ".+",
    "account_id": ".+",
    "policy_test": ".+",
    "price": "7",
}
SECONDS, STEP = 600, 5
COLUMN, ROW, GAP = 35, 25, 6
COLORS = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#ffa6b0")
NO_DATA = "No data"  # Grafana shows this text if a query returns no data
STYLE = """text{font-family:Inter,Helvetica,Arial,sans-serif;fill:#ccccdc;font-size:13px}
.title{font-weight:500;font-size:13.5px}.heading{font-size:17px;font-weight:500}.soft{fill:#9d9db0;font-size:12.5px}
.big{font-weight:500}.on{fill:#111217;font-size:12.5px}
.green{fill:#73bf69}.yellow{fill:#fade2a}.red{fill:#f2495c}
.grid{stroke:#2c2f36;stroke-width:1}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}"""


def asked(prometheus: str, path: str, expression: str, **when: float) -> list[dict[str, Any]]:  # Any: JSON
    """Return the result of a query to Prometheus; raises requests.HTTPError on an error."""
    expression = re.sub(r"\$(\w+)", lambda found: VARIABLES[found[1]], expression)
    parameters: dict[str, str | float] = {"query": expression, **when}
    answer = requests.get(f"{prometheus}/api/v1/{path}", params=parameters, timeout=30)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]["result"]  # Any: JSON
    return found


def moments(prometheus: str, target: dict[str, Any], now: float) -> list[dict[str, Any]]:  # Any: JSON
    """Return the series of a query, with only the current value if it is an instant query."""
    if not target["instant"]:
        return asked(prometheus, "query_range", target["expr"], start=now - SECONDS, end=now, step=STEP)
    found = asked(prometheus, "query", target["expr"], time=now)
    return [{"metric": series["metric"], "values": [series["value"]]} for series in found]


def ask(prometheus: str, panel: dict[str, Any], now: float) -> list[Series]:
    """Return the series of a panel's queries over the last minutes."""
    found: list[Series] = []
    for target in panel["targets"]:
        for series in moments(prometheus, target, now):
            labels = series["metric"]
            name = re.sub(r"\{\{(\w+)\}\}", lambda match, labels=labels: labels[match[1]], target["legendFormat"])  # type: ignore[misc]  # a lambda with a default is not typed
            points = [(float(when), float(value)) for when, value in series["values"]]
            found.append(Series(name, color_of(panel, name, len(found), points[-1][1]), points))
    return found


def ask_table(prometheus: str, panel: dict[str, Any], now: float) -> Table:
    """Return the data of a table panel, merged, named and sorted by the panel's settings."""
    names = panel["transformations"][-1]["options"]["renameByName"]
    titles = list(names.values())
    keys = [name for name in names if not name.startswith("Value #")]
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for target in panel["targets"]:
        for sample in asked(prometheus, "query", target["expr"], time=now):
            row = found.setdefault(tuple(sample["metric"].get(key, "") for key in keys), {})
            row[f"Value #{target['refId']}"] = float(sample["value"][1])
    rows: list[list[str | float | None]] = [
        [*labels, *(numbers.get(name) for name in names if name not in keys)] for labels, numbers in found.items()
    ]
    rows.sort(key=lambda row: [str(cell) for cell in row[: len(keys)]])
    for by in panel["options"].get("sortBy", ()):
        place = titles.index(by["displayName"])
        rows.sort(key=lambda row, place=place: float(row[place] or 0), reverse=by["desc"])  # type: ignore[misc]  # a lambda with a default is not typed
    overrides = panel["fieldConfig"]["overrides"]
    return Table(titles, rows, [_properties(overrides, title) for title in titles])


def _properties(overrides: list[dict[str, Any]], title: str) -> dict[str, Any]:  # Any: JSON
    return {
        each["id"]: each["value"]
        for override in overrides
        if re.fullmatch(override["matcher"]["options"].strip("/^$"), title)
        for each in override["properties"]
    }


def color_of(panel: dict[str, Any], name: str, number: int, value: float) -> str:
    """Return the colour of a series: from an override, from its threshold, or the next colour of the palette."""
    settings = panel["fieldConfig"]
    for override in settings["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            return NAMED[override["properties"][0]["value"]["fixedColor"]]
    if settings["defaults"]["color"]["mode"] != "thresholds":
        return COLORS[number % len(COLORS)]
    return NAMED[passed(settings["defaults"]["thresholds"]["steps"], value)]


DRAW_TABLE: dict[str, Callable[[Table, Box], Iterator[str]]] = {
    "table": draw_panels.table,
    "barchart": draw_panels.stacks,
}
DRAW: dict[str, Callable[[Sequence[Series], Box, str], Iterator[str]]] = {
    "stat": draw_panels.stats,
    "gauge": draw_panels.gauge,
    "timeseries": draw_panels.lines,
    "stacked timeseries": draw_panels.areas,
    "bargauge": draw_panels.bars,
}


def draw(dashboard: dict[str, Any], prometheus: str) -> Iterator[str]:
    """Yield the lines of the picture, with every panel at its position."""
    now = time.time()
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) * ROW + 50
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN} {height}" role="img">'
    yield f"<title>{escape(dashboard['title'])}, drawn from the demo account</title><style>{STYLE}</style>"
    yield f'<rect width="100%" height="100%" fill="#111217"/>{text(14, 30, dashboard["title"], "heading")}'
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, place["y"] * ROW + 44
        w, h = place["w"] * COLUMN - 2 * GAP, place["h"] * ROW - GAP
        if panel["type"] == "row":
            yield text(x + 4, y + 17, f"⌄ {panel['title']}", "title")
            continue
        yield f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" fill="#181b1f" stroke="#25282e"/>'
        yield text(x + 10, y + 20, panel["title"], "title")
        yield from content(panel, prometheus, now, Box(x + 12, y + 32, w - 24, h - 42))
    yield "</svg>"


def content(panel: dict[str, Any], prometheus: str, now: float, box: Box) -> Iterator[str]:  # Any: JSON
    """Yield the lines of a panel's content."""
    defaults = panel["fieldConfig"]["defaults"]
    kind = f"stacked {panel['type']}" if "stacking" in defaults["custom"] else panel["type"]
    if kind in DRAW_TABLE and (found := ask_table(prometheus, panel, now)).rows:
        yield from DRAW_TABLE[kind](found, box)
    elif kind in DRAW and (series := ask(prometheus, panel, now)):
        yield from DRAW[kind](series, box, defaults["unit"])
    else:
        yield text(box.x + box.w / 2, box.y + box.h / 2, NO_DATA, "soft", text_anchor="middle")


def main() -> None:
    """Write the picture to standard output."""
    _, prometheus, name = sys.argv
    dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
    for line in draw(dashboard, prometheus.rstrip("/")):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
