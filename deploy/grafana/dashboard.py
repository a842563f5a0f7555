"""The parts that all dashboards share, and the position of each panel in the rows."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from deploy.grafana.annotations import annotations
from deploy.grafana.panels import RUNBOOK, Json

COLUMNS = 24
TAG = "cloudflare-access"

OVERVIEW, POLICIES, EXPORTER_HEALTH = (
    "cloudflare-access-overview",
    "cloudflare-access-policies",
    "cloudflare-access-exporter",
)


class Row(NamedTuple):
    """A heading with panels below it; all panels have the same height, and the panels of a line have the same width."""

    heading: str
    height: int
    panels: Sequence[Json]
    most_in_a_line: int = 4  # titles do not fit into narrower panels


def dashboard(uid: str, title: str, variables: Sequence[Json], rows: Sequence[Row]) -> Json:
    """Return a dashboard."""
    return {
        "uid": uid,
        "title": title,
        "tags": [TAG],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "schemaVersion": 38,
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "tags": [TAG],
                "title": "Cloudflare Access",
                "keepTime": True,
                "includeVars": True,
                "asDropdown": False,
            },
            {"type": "link", "title": "Runbook", "url": RUNBOOK, "icon": "doc", "targetBlank": True},
        ],
        "templating": {"list": list(variables)},
        "annotations": {"list": annotations(tests=uid == POLICIES)},
        "panels": [panel | {"id": number} for number, panel in enumerate(_placed(rows), start=1)],
    }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    top = 0
    for row in rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"type": "row", "title": row.heading, "collapsed": False, "panels": [], "gridPos": place}
        top += 1
        for line in _lines(row):
            edges = [COLUMNS * number // len(line) for number in range(len(line) + 1)]
            for panel, (left, right) in zip(line, pairwise(edges), strict=True):
                yield panel | {"gridPos": {"x": left, "y": top, "w": right - left, "h": row.height}}
            top += row.height


def _lines(row: Row) -> Iterator[Sequence[Json]]:
    """Yield the lines of a row, each with nearly the same number of panels."""
    panels = row.panels
    lines = -(-len(panels) // row.most_in_a_line)
    ends = [-(-len(panels) * number // lines) for number in range(lines + 1)]
    return (panels[start:end] for start, end in pairwise(ends))
