"""Makes metric families (gauges and counters) from labels and values."""

from collections.abc import Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

# Metrics of users, seats or devices have no unit: https://prometheus.io/docs/practices/naming/#base-units
_UNITS = ("seconds", "bytes", "ratio")


def gauge(name: str, documentation: str, samples: Iterable[tuple[Mapping[str, str], float | None]]) -> Metric:
    """Return a gauge family with these labels and values. Unknown values (None) are omitted, never 0."""
    family = GaugeMetricFamily(name, documentation, unit=_unit(name))
    for labels, value in samples:
        if value is not None:
            family.add_sample(name, dict(labels), value)
    return family


def counter(name: str, documentation: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    """Return a counter family with these labels and values. The name must end in `_total`."""
    family = CounterMetricFamily(name, documentation, unit=_unit(name.removesuffix("_total")))
    for labels, value in samples:
        family.add_sample(name, dict(labels), value)
    return family


def _unit(name: str) -> str:
    """Return the unit at the end of a metric name, for `# UNIT` in OpenMetrics, or an empty string."""
    measured, _, last = name.rpartition("_")
    return last if measured and last in _UNITS else ""
