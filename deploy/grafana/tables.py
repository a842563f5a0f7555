"""Panels that merge several instant queries into rows: tables and stacked bars."""

from collections.abc import Sequence
from typing import NamedTuple, Unpack

from deploy.grafana.panels import Json, Looks, fixed, panel, query, steps_of
from deploy.grafana.thresholds import Steps


class Column(NamedTuple):
    """A column of a table: its expression, its unit, and the thresholds of its colours."""

    expression: str
    unit: str = "short"
    steps: Steps = ()
    mappings: Sequence[Json] = ()
    decimals: int | None = None

    def properties(self) -> list[Json]:
        """Return the properties that override the panel's defaults for this column."""
        found: list[Json] = [{"id": "unit", "value": self.unit}]
        if self.decimals is not None:
            found.append({"id": "decimals", "value": self.decimals})
        if self.steps or self.mappings:
            found.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        if self.steps:
            found.append({"id": "thresholds", "value": steps_of(self.steps)})
        if self.mappings:
            found.append({"id": "mappings", "value": list(self.mappings)})
        return found


def link(title: str, uid: str, variable: str, *kept_too: str) -> Json:
    """Return a link from a cell to a dashboard; the link sets the variable to the value of the cell.

    The link keeps the time range, the variables that all dashboards have, and the variables in `kept_too`.
    """
    names = ("datasource", "cluster", "namespace", "job", *kept_too)
    kept = "".join(f"&${{{name}:queryparam}}" for name in names)
    return {
        "title": title,
        "url": f"/d/{uid}?${{__url_time_range}}{kept}&var-{variable}=${{__value.raw:percentencode}}",
    }


def linked(title: str, *links: Json) -> Json:
    """Return an override that adds links to the cells of a column."""
    return _override(title, [{"id": "links", "value": list(links)}])


def table(
    title: str, description: str, keys: dict[str, str], columns: dict[str, Column], **looks: Unpack[Looks]
) -> Json:
    """Return a table with a row for each combination of labels; `keys` maps labels to titles, `columns` is by title."""
    looks["overrides"] = [
        *(_override(title, column.properties()) for title, column in columns.items()),
        *looks.get("overrides", ()),
    ]
    queries, looks["transformations"] = _merged(keys, {title: each.expression for title, each in columns.items()})
    return panel("table", title, description, queries, **looks)


def listing(title: str, description: str, keys: dict[str, str], expression: str, **looks: Unpack[Looks]) -> Json:
    """Return a table with labels only, without numbers; `keys` maps labels to titles."""
    looks["transformations"] = _organized(keys)
    return panel("table", title, description, [_instant(expression)], **looks)


def stacks(
    title: str, description: str, key: tuple[str, str], parts: dict[str, tuple[str, str]], **looks: Unpack[Looks]
) -> Json:
    """Return a panel with a stacked bar for each value of a label; `parts` has expression and colour by title."""
    label, heading = key
    looks["options"] = {
        "orientation": "horizontal",
        "xField": heading,
        "stacking": "normal",
        "showValue": "auto",
        "barWidth": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    looks["overrides"] = [fixed(f"/^{part}$/", color) for part, (_, color) in parts.items()]
    queries, looks["transformations"] = _merged(
        {label: heading}, {part: expression for part, (expression, _) in parts.items()}
    )
    return panel("barchart", title, description, queries, **looks)


def _override(title: str, properties: list[Json]) -> Json:
    return {"matcher": {"id": "byName", "options": title}, "properties": properties}


def _instant(expression: str) -> Json:
    return query(expression, "", instant=True, form="table")


def _merged(keys: dict[str, str], columns: dict[str, str]) -> tuple[list[Json], list[Json]]:
    """Return the queries of the columns, and the transformations that merge their results into one table."""
    names = {f"Value #{chr(ord('A') + number)}": title for number, title in enumerate(columns)}
    return [_instant(expression) for expression in columns.values()], _organized(keys | names)


def _organized(titles: dict[str, str]) -> list[Json]:
    """Return the transformations that keep only these fields, in this order and with these titles."""
    return [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(titles)}}},
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "indexByName": {name: number for number, name in enumerate(titles)},
                "renameByName": titles,
            },
        },
    ]
