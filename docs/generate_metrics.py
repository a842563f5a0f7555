"""Writes the tables of metrics in docs/metrics.md and README.md from what the exporter serves for its demo account.

python docs/generate_metrics.py
"""

import subprocess
import sys
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- metrics: begin -->\n", "<!-- metrics: end -->\n"
# What prometheus-client says of every Python process.
_RUNTIME = ("process_", "python_")


def served() -> list[Metric]:
    """Return every family of one round of polls of the demo account."""
    command = [sys.executable, str(ROOT / "exporter.py"), "--demo", "--once", "--log.level=error"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
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
