"""Writes the tables of metrics in docs/metrics.md and README.md from what the exporter serves for its demo account.

python docs/generate_metrics.py
"""

import sys
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from access_exporter.app import App  # noqa: E402
from access_exporter.clock import Clock  # noqa: E402
from access_exporter.commands import demo  # noqa: E402
from access_exporter.options import Options  # noqa: E402

BEGIN, END = "<!-- metrics: begin -->\n", "<!-- metrics: end -->\n"
# What prometheus-client says of every Python process.
_RUNTIME = ("process_", "python_")


class _Hurried(Clock):
    """A clock that is as far ahead as it is told."""

    ahead = 0.0  # seconds

    def time(self) -> float:
        return super().time() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def served() -> list[Metric]:
    """Return every family of some minutes of the demo account: some come only with the second policy test."""
    clock = _Hurried()
    with demo.account(clock.time) as config:
        app = App(Options(demo=True), lambda: config, clock)
        app.load()
        for _ in range(6):
            app.poll()
            clock.ahead += 10
        text = app.page().decode()
    return [family for family in text_string_to_metric_families(text) if not family.name.startswith(_RUNTIME)]


def table(families: list[Metric]) -> str:
    """Return the table of these families in Markdown."""
    return "".join(["| Metric | Type | Labels | Meaning |\n", "|---|---|---|---|\n", *map(_row, families)])


def _row(family: Metric) -> str:
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    return f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in labels)} | {family.documentation} |\n"


def with_table(text: str, rows: str) -> str:
    """Return a document with the table between its two marks replaced."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{rows}\n{END}{after}"


def main() -> None:
    """Rewrite the tables."""
    rows = table(served())
    for path in (ROOT / "README.md", ROOT / "docs" / "metrics.md"):
        path.write_text(with_table(path.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
