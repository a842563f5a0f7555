"""Charts as SVG for light and dark mode: bars, and lines on two logarithmic axes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple


def _palette(paper: str, ink: str, soft: str, grid: str, *lines: str) -> str:
    colors = {".paper": paper, "text": ink, ".soft": soft, ".grid": grid}
    colors |= {f".c{number}": line for number, line in enumerate(lines)}
    return "".join(f"{what}{{color:{color}}}" for what, color in colors.items())


# The style has no CSS variables, because some SVG viewers do not support them.
STYLE = f"""
{_palette("#fff", "#1f2328", "#636c76", "#e3e6ea", "#0969da", "#bc4c00", "#1a7f37", "#8250df")}
@media (prefers-color-scheme:dark){{
{_palette("#0d1117", "#e6edf3", "#9198a1", "#2a3038", "#58a6ff", "#f0883e", "#3fb950", "#bc8cff")}}}
.fill,text{{fill:currentColor}}.line{{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}}
text{{font:13px system-ui,Helvetica,Arial,sans-serif}}.title{{font-size:15px;font-weight:600}}.soft{{font-size:12px}}
.thin{{stroke-width:1}}.end{{text-anchor:end}}.middle{{text-anchor:middle}}
"""
BAR, LABELS = 30, 190


class Box(NamedTuple):
    """A rectangle in the drawing, in pixels."""

    x: float
    y: float
    width: float
    height: float


def document(width: int, height: int, title: str, *parts: Iterator[str]) -> str:
    """Return the SVG file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    drawn = [line for part in parts for line in part]
    paper = '<rect class="paper fill" width="100%" height="100%" rx="6"/>'
    return "\n".join([head, f"<title>{escape(title)}</title><style>{STYLE}</style>{paper}", *drawn, "</svg>\n"])


def bars(box: Box, title: str, values: Mapping[str, float], unit: str) -> Iterator[str]:
    """Draw horizontal bars that start at zero."""
    yield text(box.x, box.y, title, "title")
    scale = (box.width - LABELS - 90) / max(values.values())
    for number, (name, value) in enumerate(values.items()):
        y = box.y + 18 + number * BAR
        yield text(box.x, y + 15, name)
        width = max(1.0, value * scale)
        yield f'<rect x="{box.x + LABELS:.1f}" y="{y}" width="{width:.1f}" height="{BAR - 9}" class="c0 fill"/>'
        yield text(box.x + LABELS + width + 8, y + 15, f"{value:.3g} {unit}")


def lines(
    box: Box, title: str, below: str, sizes: Sequence[int], costs: Mapping[str, Sequence[float]]
) -> Iterator[str]:
    """Draw lines on two logarithmic axes, and a dashed line with the slope of proportional growth."""
    yield text(box.x, box.y, title, "title")
    top, bottom = box.y + 30 + 18 * len(costs), box.y + box.height - 40
    left, right = box.x + 46, box.x + box.width - 20
    values = [value for line in costs.values() for value in line]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def at(size: float, value: float) -> tuple[float, float]:
        across = math.log10(size / sizes[0]) / math.log10(sizes[-1] / sizes[0])
        return left + across * (right - left), bottom - (math.log10(value) - low) / (high - low) * (bottom - top)

    for power in range(low, high + 1):
        y = at(sizes[0], 10.0**power)[1]
        yield f'<path class="grid thin line" d="M{left:.1f} {y:.1f}H{right:.1f}"/>'
        yield text(left - 8, y + 4, _short(10.0**power), "soft end")
    for size in sizes:
        yield text(at(size, 1)[0], bottom + 18, _short(size), "soft middle")
    yield text((left + right) / 2, bottom + 36, below, "soft middle")
    tenfold = min(sizes[-1] / sizes[0], 10.0 ** (high - low))
    yield _path([at(sizes[-1] / tenfold, 10.0**high / tenfold), at(sizes[-1], 10.0**high)], "soft", "2 5")
    yield text(right - 30, top - 6, "proportional", "soft end")
    for number, (name, line) in enumerate(costs.items()):
        points = [at(size, value) for size, value in zip(sizes, line, strict=True)]
        kind = f"c{number}"
        yield _path(points, kind)
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="{kind} fill"/>' for x, y in points)
        y = box.y + 22 + 18 * number
        yield f'<path class="{kind} line" d="M{box.x} {y - 4}h18"/>{text(box.x + 26, y, name)}'


def text(x: float, y: float, content: str, kind: str = "") -> str:
    """Draw a line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(content)}</text>'


def _path(points: Sequence[tuple[float, float]], kind: str, dashes: str = "none") -> str:
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{kind} line" d="M{steps}" stroke-dasharray="{dashes}"/>'


def _short(value: float) -> str:
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{suffix}"
    return f"{value:g}"
