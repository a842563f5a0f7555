"""The inside of each kind of panel, as lines of SVG, much as Grafana has them."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

LETTER = 5.8  # pixels, about the width of one in a legend
NAMED = {"green": "#73bf69", "yellow": "#fade2a", "red": "#f2495c", "blue": "#5794f2", "semi-dark-orange": "#ff780a"}


class Series(NamedTuple):
    """What one line of a legend stands for: points are pairs of seconds since the epoch and a value."""

    name: str
    color: str
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class Box(NamedTuple):
    """The inside of a panel, in pixels."""

    x: float
    y: float
    w: float
    h: float


class Table(NamedTuple):
    """The answer of a panel that shows one moment: rows of words and numbers, and how to show each column."""

    titles: list[str]
    rows: list[list[str | float | None]]
    columns: list[dict[str, Any]]  # Any: what overrides the defaults of the panel, by name


def text(x: float, y: float, words: str, kind: str = "", **attributes: object) -> str:
    """Return a line of text."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{more}>{escape(words)}</text>'


def passed(steps: Sequence[dict[str, Any]], value: float) -> str:  # Any: JSON
    """Return the name of the colour of the last threshold that a value has reached."""
    return str([step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1])


def written(value: float, unit: str) -> str:
    """Return a value in its unit."""
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit == "currencyUSD":
        return f"${value:,.0f}"
    if unit == "d":
        return "a year or more" if value == 365 else f"{value:.0f} days"
    if unit == "s":
        return f"{value:,.0f} s"
    return f"{value:,.4g}" if value.is_integer() else f"{value:,.1f}"


def stats(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw numbers below each other, with their names where there are several."""
    height = box.h / len(series)
    for number, one in enumerate(series):
        words = written(one.last, unit)
        size = min(height * (0.42 if len(series) == 1 else 0.6), box.w / (0.62 * len(words)), 44)
        middle = box.y + height * (number + 0.5)
        fill = f"fill:{one.color};font-size:{size:.0f}px"
        if len(series) == 1:
            yield text(box.x + box.w / 2, middle + size / 3, words, "big", text_anchor="middle", style=fill)
        else:
            yield text(box.x, middle + 4, one.name.rpartition(", ")[2], "soft")
            yield text(box.x + box.w, middle + size / 3, words, "big", text_anchor="end", style=fill)


def gauge(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw a half circle per series, filled as far as its value goes from 0 to 1."""
    width = box.w / len(series)
    for number, one in enumerate(series):
        x, y = box.x + width * (number + 0.5), box.y + box.h - 12
        radius = min(width / 2 - 22, box.h - 30)
        arc = f"M{x - radius:.1f} {y:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {x + radius:.1f} {y:.1f}"
        for color, share in (("#2c2f36", 1.0), (one.color, min(1.0, one.last))):
            yield f'<path d="{arc}" fill="none" stroke="{color}" stroke-width="16" pathLength="100" '
            yield f'stroke-dasharray="{share * 100:.1f} 200"/>'
        fill = f"fill:{one.color};font-size:30px"
        yield text(x, y - 4, written(one.last, unit), "big", text_anchor="middle", style=fill)


def ceiling(value: float) -> float:
    """Return the end of an axis that shows a value: four steps of a round number."""
    size = 10.0 ** math.floor(math.log10(value or 1))
    return next(size * step * 4 for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 2.5) if size * step * 4 >= value)


def lines(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw lines over time, and a legend with the last values below them."""
    fitting = max(2, int(box.h * 0.4 / 16))
    shown = sorted(series, key=lambda one: -one.last)[: 2 * fitting]
    names = [f"{one.name}  {written(one.last, unit)}" for one in shown]
    columns = 2 if len(shown) > 2 and max(map(len, names)) * LETTER < box.w / 2 - 17 else 1
    shown, names = shown[: columns * fitting], names[: columns * fitting]
    legend = 16 * -(-len(shown) // columns) + 22
    left, width, height = box.x + 34, box.w - 40, box.h - legend
    top = ceiling(max(value for one in series for _, value in one.points))
    start, end = min(one.points[0][0] for one in series), max(one.points[-1][0] for one in series)
    for quarter in range(5):
        y = box.y + height * (1 - quarter / 4)
        yield f'<path class="grid" d="M{left:.1f} {y:.1f}h{width:.1f}"/>'
        yield text(left - 5, y + 4, written(top * quarter / 4, unit), "soft", text_anchor="end")
    for one in series:
        points = " ".join(
            f"{left + width * (when - start) / (end - start or 1):.1f},{box.y + height * (1 - value / top):.1f}"
            for when, value in one.points
        )
        yield f'<polyline class="line" stroke="{one.color}" points="{points}"/>'
    yield text(left, box.y + height + 14, f"{(end - start) / 60:.0f} minutes ago", "soft")
    yield text(left + width, box.y + height + 14, "now", "soft", text_anchor="end")
    for number, (one, name) in enumerate(zip(shown, names, strict=True)):
        x, y = box.x + (number % columns) * box.w / columns, box.y + height + 34 + 16 * (number // columns)
        yield f'<path d="M{x:.1f} {y - 4:.1f}h12" stroke="{one.color}" stroke-width="3"/>'
        yield text(x + 17, y, name, "soft")


def bars(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw a bar per series."""
    height = box.h / len(series)
    top = max(1.0, *(one.last for one in series))
    left, width = box.x + box.w * 0.42, box.w * 0.46
    for number, one in enumerate(series):
        y = box.y + height * number
        thick = min(18.0, height - 4)
        yield text(left - 8, y + height / 2 + 4, one.name, "soft", text_anchor="end")
        rectangle = f'x="{left:.1f}" y="{y + (height - thick) / 2:.1f}" height="{thick:.1f}" rx="2"'
        yield f'<rect {rectangle} width="{width:.1f}" fill="#2c2f36"/>'
        yield f'<rect {rectangle} width="{width * one.last / top:.1f}" fill="{one.color}"/>'
        yield text(left + width + 8, y + height / 2 + 4, written(one.last, unit))


def table(content: Table, box: Box) -> Iterator[str]:
    """Draw a table, with as many rows as there is room for."""
    cells = [[shown(row[number], column)[0] for row in content.rows] for number, column in enumerate(content.columns)]
    shares = [max(len(title), *map(len, words)) + 2 for title, words in zip(content.titles, cells, strict=True)]
    edges = [box.x + box.w * sum(shares[:number]) / sum(shares) for number in range(len(shares))]
    fitting = int((box.h - 22) // 22)
    for title, x in zip(content.titles, edges, strict=True):
        yield text(x, box.y + 10, title, "soft")
    for number, row in enumerate(content.rows[:fitting]):
        y = box.y + 32 + 22 * number
        yield f'<path class="grid" d="M{box.x:.1f} {y - 15:.1f}h{box.w:.1f}"/>'
        for cell, column, x in zip(row, content.columns, edges, strict=True):
            yield text(x, y, *shown(cell, column))


def shown(cell: str | float | None, column: dict[str, Any]) -> tuple[str, str]:  # Any: JSON
    """Return the words and the class of a cell; words and thresholds of its column give the class its colour."""
    if cell is None or isinstance(cell, str):
        return cell or "", ""
    for mapping in column.get("mappings", ()):
        if word := mapping["options"].get(f"{cell:g}"):
            return word["text"], word["color"]
    color = passed(column["thresholds"]["steps"], cell) if "thresholds" in column else ""
    return written(cell, column["unit"]), color


def stacks(content: Table, box: Box) -> Iterator[str]:
    """Draw a bar per row, of a part per column."""
    height = (box.h - 22) / len(content.rows)
    left, width = box.x + box.w * 0.3, box.w * 0.7
    most = max(sum(float(cell or 0) for cell in row[1:]) for row in content.rows)
    colors = [NAMED[column["color"]["fixedColor"]] for column in content.columns[1:]]
    for number, (name, *parts) in enumerate(content.rows):
        y, x = box.y + height * number, left
        thick = min(18.0, height - 4)
        yield text(left - 8, y + height / 2 + 4, str(name), "soft", text_anchor="end")
        for part, color in zip(parts, colors, strict=True):
            wide = width * float(part or 0) / most
            rectangle = f'x="{x:.1f}" y="{y + (height - thick) / 2:.1f}" width="{wide:.1f}" height="{thick:.1f}"'
            yield f'<rect {rectangle} fill="{color}"/>'
            if wide > 16:
                yield text(x + wide / 2, y + height / 2 + 4, f"{part:g}", "on", text_anchor="middle")
            x += wide
    for number, (title, color) in enumerate(zip(content.titles[1:], colors, strict=True)):
        x = box.x + 100 * number
        yield f'<path d="M{x:.1f} {box.y + box.h - 4:.1f}h12" stroke="{color}" stroke-width="3"/>'
        yield text(x + 17, box.y + box.h, title, "soft")
