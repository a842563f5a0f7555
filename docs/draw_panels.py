"""The content of each kind of panel as lines of SVG, similar to Grafana's."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

LETTER = 7  # pixels; the approximate width of a letter in a legend
LINE = 17  # pixels; the height of a line in a legend
NAMED = {"green": "#73bf69", "yellow": "#fade2a", "red": "#f2495c", "blue": "#5794f2", "semi-dark-orange": "#ff780a"}


class Series(NamedTuple):
    """A named series in a colour; each point is a pair of a time in seconds since the epoch and a value."""

    name: str
    color: str
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """Return the newest value."""
        return self.points[-1][1]


class Box(NamedTuple):
    """The inside of a panel, in pixels."""

    x: float
    y: float
    w: float
    h: float


class Table(NamedTuple):
    """The data of a table panel: rows of words and numbers, and the settings of each column."""

    titles: list[str]
    rows: list[list[str | float | None]]
    columns: list[dict[str, Any]]  # Any: JSON; the properties of each column's override, by name


def text(x: float, y: float, words: str, kind: str = "", **attributes: object) -> str:
    """Return an SVG element with a line of text."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{more}>{escape(words)}</text>'


def passed(steps: Sequence[dict[str, Any]], value: float) -> str:  # Any: JSON
    """Return the colour name of the highest threshold that a value has reached."""
    return str([step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1])


def shortened(words: str, width: float) -> str:
    """Return a text that fits into a width, shortened with … as Grafana does."""
    most = int(width / LETTER)
    return words if len(words) <= most else f"{words[: most - 1]}…"


def written(value: float, unit: str) -> str:
    """Return a value with its unit as text."""
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
    """Draw large numbers below each other, with names if there are several."""
    height = box.h / len(series)
    for number, one in enumerate(series):
        words = written(one.last, unit)
        size = min(height * (0.42 if len(series) == 1 else 0.6), box.w / (0.62 * len(words)), 44)
        middle = box.y + height * (number + 0.5)
        fill = f"fill:{one.color};font-size:{size:.0f}px"
        if len(series) == 1:
            yield text(box.x + box.w / 2, middle + size / 3, words, "big", text_anchor="middle", style=fill)
        else:
            yield text(box.x, middle + 4, one.name.rpartition(": ")[2], "soft")
            yield text(box.x + box.w, middle + size / 3, words, "big", text_anchor="end", style=fill)


def gauge(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw a half circle for each series, filled by the share of its value from 0 to 1."""
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
    """Return the maximum of an axis that has four round steps and includes a value."""
    size = 10.0 ** math.floor(math.log10(value or 1))
    return next(size * step * 4 for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 2.5) if size * step * 4 >= value)


def lines(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw lines over time."""
    yield from _over_time(series, series, box, unit)


def areas(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw stacked areas over time."""
    sums: dict[float, float] = {}
    tops: list[Series] = []
    for one in series:
        for when, value in one.points:
            sums[when] = sums.get(when, 0) + value
        tops.append(one._replace(points=[(when, sums[when]) for when, _ in one.points]))
    yield from _over_time(series, tops[::-1], box, unit, fill_opacity=0.4)


def _over_time(
    series: Sequence[Series], drawn: Sequence[Series], box: Box, unit: str, fill_opacity: float = 0
) -> Iterator[str]:
    """Draw lines or areas with axes, and below them a legend with the last value of each series."""
    names = [f"{one.name}  {written(one.last, unit)}" for one in series]
    columns = 2 if len(series) > 2 and max(map(len, names)) * LETTER < box.w / 2 - 17 else 1
    fitting = max(2, int(box.h * 0.45 / LINE)) * columns
    order = sorted(range(len(series)), key=lambda number: -series[number].last)[:fitting]
    legend = LINE * -(-len(order) // columns) + 24
    inner = Box(box.x + 36, box.y, box.w - 40, box.h - legend)
    yield from _axes(drawn, inner, unit)
    top = ceiling(max(value for one in drawn for _, value in one.points))
    start, end = _span(drawn)
    for one in drawn:
        points = [
            (inner.x + inner.w * (when - start) / (end - start or 1), inner.y + inner.h * (1 - value / top))
            for when, value in one.points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        if fill_opacity:
            floor = inner.y + inner.h
            corners = f"{points[-1][0]:.1f},{floor:.1f} {points[0][0]:.1f},{floor:.1f}"
            yield f'<polygon fill="{one.color}" fill-opacity="{fill_opacity}" points="{path} {corners}"/>'
        yield f'<polyline class="line" stroke="{one.color}" points="{path}"/>'
    for place, number in enumerate(order):
        x = box.x + (place % columns) * box.w / columns
        y = inner.y + inner.h + 36 + LINE * (place // columns)
        yield f'<path d="M{x:.1f} {y - 4:.1f}h12" stroke="{series[number].color}" stroke-width="3"/>'
        yield text(x + 17, y, shortened(names[number], box.w / columns - 17), "soft")


def _axes(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    top = ceiling(max(value for one in series for _, value in one.points))
    start, end = _span(series)
    for quarter in range(5):
        y = box.y + box.h * (1 - quarter / 4)
        yield f'<path class="grid" d="M{box.x:.1f} {y:.1f}h{box.w:.1f}"/>'
        if quarter % 2 == 0:
            yield text(box.x - 5, y + 4, written(top * quarter / 4, unit), "soft", text_anchor="end")
    yield text(box.x, box.y + box.h + 16, f"{(end - start) / 60:.0f} minutes ago", "soft")
    yield text(box.x + box.w, box.y + box.h + 16, "now", "soft", text_anchor="end")


def _span(series: Sequence[Series]) -> tuple[float, float]:
    return min(one.points[0][0] for one in series), max(one.points[-1][0] for one in series)


def bars(series: Sequence[Series], box: Box, unit: str) -> Iterator[str]:
    """Draw a horizontal bar for each series."""
    height = box.h / len(series)
    top = max(1.0, *(one.last for one in series))
    values = [written(one.last, unit) for one in series]
    after = max(map(len, values)) * 7.2 + 8
    before = min(max(len(one.name) for one in series) * LETTER, box.w * 0.5) + 8
    left, width = box.x + before, box.w - before - after
    for number, (one, value) in enumerate(zip(series, values, strict=True)):
        y = box.y + height * number
        thick = min(18.0, height - 4)
        yield text(left - 8, y + height / 2 + 4, shortened(one.name, before - 8), "soft", text_anchor="end")
        rectangle = f'x="{left:.1f}" y="{y + (height - thick) / 2:.1f}" height="{thick:.1f}" rx="2"'
        yield f'<rect {rectangle} width="{width:.1f}" fill="#2c2f36"/>'
        yield f'<rect {rectangle} width="{width * max(0.0, one.last) / top:.1f}" fill="{one.color}"/>'
        yield text(left + width + 8, y + height / 2 + 4, value)


def table(content: Table, box: Box) -> Iterator[str]:
    """Draw a table with all rows that fit; a column title may take two lines."""
    cells = [[shown(row[number], column)[0] for row in content.rows] for number, column in enumerate(content.columns)]
    heads = [_in_two(title, max(map(len, words))) for title, words in zip(content.titles, cells, strict=True)]
    shares = [min(max(map(len, [*head, *words])), 15) + 2.5 for head, words in zip(heads, cells, strict=True)]
    edges = [box.x + box.w * sum(shares[:number]) / sum(shares) for number in range(len(shares))]
    widths = [box.w * share / sum(shares) - 4 for share in shares]
    tall = 12 * (max(map(len, heads)) - 1)
    for head, x in zip(heads, edges, strict=True):
        for number, words in enumerate(head):
            yield text(x, box.y + 10 + tall - 14 * (len(head) - 1 - number), words, "soft")
    for number, row in enumerate(content.rows[: int((box.h - 22 - tall) // 22)]):
        y = box.y + 32 + tall + 22 * number
        yield f'<path class="grid" d="M{box.x:.1f} {y - 15:.1f}h{box.w:.1f}"/>'
        for cell, column, x, width in zip(row, content.columns, edges, widths, strict=True):
            words, kind = shown(cell, column)
            yield text(x, y, shortened(words, width), kind)


def _in_two(title: str, width: int) -> list[str]:
    """Return the lines of a column title: two if it has several words and is longer than the column's width."""
    first, *others = title.split()
    return [first, " ".join(others)] if others and len(title) > width else [title]


def shown(cell: str | float | None, column: dict[str, Any]) -> tuple[str, str]:  # Any: JSON
    """Return the text and the CSS class of a cell; the mappings and thresholds of its column set the class."""
    if cell is None or isinstance(cell, str):
        return cell or "", ""
    for mapping in column.get("mappings", ()):
        if word := mapping["options"].get(f"{cell:g}"):
            return word["text"], word["color"]
    color = passed(column["thresholds"]["steps"], cell) if "thresholds" in column else ""
    return written(cell, column["unit"]), color


def stacks(content: Table, box: Box) -> Iterator[str]:
    """Draw a stacked bar for each row, with a part for each column."""
    height = (box.h - 22) / len(content.rows)
    before = min(max(len(str(row[0])) for row in content.rows) * LETTER, box.w * 0.45) + 8
    left, width = box.x + before, box.w - before
    most = max(sum(float(cell or 0) for cell in row[1:]) for row in content.rows)
    colors = [NAMED[column["color"]["fixedColor"]] for column in content.columns[1:]]
    for number, (name, *parts) in enumerate(content.rows):
        y, x = box.y + height * number, left
        thick = min(18.0, height - 4)
        yield text(left - 8, y + height / 2 + 4, shortened(str(name), left - 8 - box.x), "soft", text_anchor="end")
        for part, color in zip(parts, colors, strict=True):
            wide = width * float(part or 0) / most
            rectangle = f'x="{x:.1f}" y="{y + (height - thick) / 2:.1f}" width="{wide:.1f}" height="{thick:.1f}"'
            yield f'<rect {rectangle} fill="{color}"/>'
            if wide > 16:
                yield text(x + wide / 2, y + height / 2 + 4, f"{part:g}", "on", text_anchor="middle")
            x += wide
    for number, (title, color) in enumerate(zip(content.titles[1:], colors, strict=True)):
        x = box.x + 90 * number
        yield f'<path d="M{x:.1f} {box.y + box.h - 4:.1f}h12" stroke="{color}" stroke-width="3"/>'
        yield text(x + 17, box.y + box.h, title, "soft")
