"""The table of metrics in docs/metrics.md, from the metrics that the exporter serves for its demo account."""

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from access_exporter.app import App
from access_exporter.clock import Clock
from access_exporter.commands import demo
from access_exporter.options import Options
from benchmarks.documents import replaced
from docs.generate.markdown import code, table

# The metrics that prometheus-client adds for every Python process.
_RUNTIME = ("process_", "python_")


class _Hurried(Clock):
    """A clock that is ahead by a settable number of seconds."""

    ahead = 0.0  # seconds

    def time(self) -> float:
        return super().time() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def update(document: str) -> str:
    """Return docs/metrics.md with an updated table."""
    return replaced(document, "metrics", table(("Metric", "Type", "Labels", "Meaning"), map(_row, _served())))


def _served() -> list[Metric]:
    """Return every metric family of the demo account after six polls; some appear only with the second policy test."""
    clock = _Hurried()
    with demo.account(clock.time) as config:
        app = App(Options(demo=True), lambda: config, clock)
        app.load()
        for _ in range(6):
            app.poll()
            clock.ahead += 10
        text = app.page().decode()
    return [family for family in text_string_to_metric_families(text) if not family.name.startswith(_RUNTIME)]


def _row(family: Metric) -> tuple[str, ...]:
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    return code(name), family.type, ", ".join(map(code, labels)), family.documentation
