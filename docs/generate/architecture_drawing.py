"""The picture of the architecture: layers from top to bottom, arrows for the data flow, and a matrix of imports."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol
from xml.sax.saxutils import escape


class Part(Protocol):
    """The properties of a part that the picture shows."""

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102 – as in docs.generate.architecture
    @property
    def title(self) -> str: ...  # noqa: D102 – as in docs.generate.architecture
    @property
    def text(self) -> str: ...  # noqa: D102 – as in docs.generate.architecture
    @property
    def imports(self) -> frozenset[str]: ...  # noqa: D102 – as in docs.generate.architecture


@dataclass(frozen=True)
class Flow:
    """A flow of data up through several parts; each part imports the part before it, and the labels name the data."""

    style: str
    source: str
    parts: Sequence[str]
    labels: Sequence[str]
    end: str


DATA = Flow(
    "data",
    "Cloudflare",
    ("cloudflare", "collectors", "polling", "serving"),
    ("rows", "summaries", "snapshots"),
    "Prometheus",
)
CONFIGURATION = Flow("configuration", "config.yaml", ("config", "app"), ("the configuration",), "")

_TOP, _ROW, _CARD, _LEFT, _WIDTH, _CELL = 150, 58, 48, 236, 528, 27
_MATRIX = _LEFT + _WIDTH + 30
_STYLE = """
svg{--paper:#fff;--card:#f6f8fa;--edge:#d0d7de;--ink:#1f2328;--soft:#59636e;--data:#0969da;--config:#9a6700;--stripe:#f6f8fa}
@media (prefers-color-scheme:dark){
svg{--paper:#0d1117;--card:#161b22;--edge:#3d444d;--ink:#f0f6fc;--soft:#9198a1;--data:#4493f8;--config:#d29922;--stripe:#161b22}}
text{font-family:system-ui,"Segoe UI",Helvetica,Arial,sans-serif;font-size:13px;fill:var(--ink)}
.paper{fill:var(--paper)}.card{fill:var(--card);stroke:var(--edge)}.stripe{fill:var(--stripe)}
.name{font-family:ui-monospace,Menlo,Consolas,monospace;font-weight:600}.soft{fill:var(--soft);font-size:12px}
.head{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px}.legend{font-size:14px;font-weight:600}
.data{stroke:var(--data)}.configuration{stroke:var(--config)}.arrow{fill:none;stroke-width:3}
.data-ink{fill:var(--data)}.configuration-ink{fill:var(--config)}.on{stroke:var(--data);stroke-width:2}
.dot{fill:var(--ink)}.self{fill:var(--edge)}
"""


def draw(parts: Sequence[Part]) -> str:
    """Return the picture as SVG, in the colours of the reader's theme."""
    width, height = _MATRIX + _CELL * len(parts) + 50, _TOP + _ROW * len(parts) + 14
    body = [
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text class="legend" x="{_LEFT}" y="30">access_exporter/</text>',
        f'<text class="soft" x="{_LEFT}" y="52">A part imports only from parts below it.</text>',
        f'<text class="soft" x="{_LEFT}" y="72">Arrows show what one part passes to the next.</text>',
        f'<text class="soft" x="{_LEFT}" y="92">A dot: the part of this row imports the part of that column.</text>',
        *_cards(parts),
        *_matrix(parts),
        *_flow(DATA, parts, 196),
        *_flow(CONFIGURATION, parts, 24),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        "<title>Parts of the exporter in layers, the data that flows through them, and their imports</title>\n"
        f"<style>{_STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _top(row: int) -> int:
    return _TOP + _ROW * row


def _cards(parts: Iterable[Part]) -> Iterator[str]:
    """Yield a card with the name and the purpose of each part."""
    for row, part in enumerate(parts):
        style = "card on" if part.names[0] in DATA.parts else "card"
        yield f'<rect class="{style}" x="{_LEFT}" y="{_top(row)}" width="{_WIDTH}" height="{_CARD}" rx="6"/>'
        yield _text(_LEFT + 12, _top(row) + 29, "name", _short(part))
        is_one = len(part.names) == 1
        lines = textwrap.wrap(part.text.replace("`", "") if is_one else ", ".join(part.names), 60)
        first = _top(row) + (29 if len(lines) == 1 else 20)
        yield from (_text(_LEFT + 112, first + 17 * at, "soft", line) for at, line in enumerate(lines))


def _matrix(parts: Sequence[Part]) -> Iterator[str]:
    """Yield the matrix of imports; all dots are to the right of the diagonal, because parts import only lower parts."""
    for row, part in enumerate(parts):
        middle = _top(row) + _CARD / 2
        if row % 2 == 0:
            yield (
                f'<rect class="stripe" x="{_MATRIX - 6}" y="{_top(row) - 5}" '
                f'width="{_CELL * len(parts)}" height="{_ROW}"/>'
            )
        x = _MATRIX + _CELL * row + 8
        yield f'<text class="head" transform="translate({x + 4} {_TOP - 14}) rotate(-50)">{escape(_short(part))}</text>'
        yield f'<rect class="self" x="{x - 5}" y="{middle - 5}" width="10" height="10" rx="2"/>'
        for column, other in enumerate(parts):
            if column != row and part.imports & set(other.names):
                yield f'<circle class="dot" cx="{_MATRIX + _CELL * column + 8}" cy="{middle}" r="4.5"/>'


def _short(part: Part) -> str:
    return part.title if len(part.names) == 1 else "helpers"


def _flow(flow: Flow, parts: Sequence[Part], x: int) -> Iterator[str]:
    """Yield the arrows of a flow; raises ValueError if a part does not import the part before it."""
    rows = {name: row for row, part in enumerate(parts) for name in part.names}
    for (lower, upper), label in zip(pairwise(flow.parts), flow.labels, strict=True):
        if lower not in parts[rows[upper]].imports:
            raise ValueError(f"{upper} does not import {lower}: change the flow {flow.style}")
        start, end = _top(rows[lower]) + 12, _top(rows[upper]) + _CARD - 12
        bend = f"M{_LEFT} {start}H{x + 12}Q{x} {start} {x} {start - 12}V{end + 12}Q{x} {end} {x + 12} {end}H{_LEFT - 8}"
        yield f'<path class="arrow {flow.style}" d="{bend}"/>{_head(flow, _LEFT - 1, end, right=True)}'
        if end + _ROW > start:
            yield _text(x - 9, (start + end) / 2 + 4, f"soft {flow.style}-ink", label, anchor="end")
        else:  # the arrow passes other parts, so the label is at its end
            yield _text(x + 16, end - 8, f"soft {flow.style}-ink", label)
    enters = _top(rows[flow.parts[0]]) + _CARD - 10
    yield _text(40, enters + 4, f"name {flow.style}-ink", flow.source)
    yield f'<path class="arrow {flow.style}" d="M{50 + 8 * len(flow.source)} {enters}H{_LEFT - 8}"/>'
    yield _head(flow, _LEFT - 1, enters, right=True)
    if flow.end:
        leaves = _top(rows[flow.parts[-1]]) + 12
        yield _text(40, leaves + 4, f"name {flow.style}-ink", flow.end)
        yield f'<path class="arrow {flow.style}" d="M{_LEFT} {leaves}H{56 + 8 * len(flow.end)}"/>'
        yield _head(flow, 48 + 8 * len(flow.end), leaves, right=False)


def _head(flow: Flow, x: float, y: float, *, right: bool) -> str:
    back = -9 if right else 9
    return f'<path class="{flow.style}-ink" d="M{x} {y}l{back} -5v10z"/>'


def _text(x: float, y: float, style: str, text: str, *, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
