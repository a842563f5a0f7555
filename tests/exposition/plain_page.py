"""A metrics page that prometheus-client writes, without a cache between scrapes."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from access_exporter.polling.snapshots import Snapshots, health_families


class Plain(Collector):
    """Collects the same families without a cache, with all samples of a name in one family."""

    def __init__(self, snapshots: Snapshots, own: CollectorRegistry) -> None:
        self._snapshots = snapshots
        self._own = own

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for family in filter(lambda family: family.samples, self._all()):
            same = merged.setdefault(family.name, family)
            same.samples += [] if same is family else family.samples
        return merged.values()

    def _all(self) -> Iterator[Metric]:
        snapshots = self._snapshots.all()
        for snapshot in snapshots:
            if self._snapshots.is_fresh(snapshot):
                yield from snapshot.collector.families(snapshot.summary)
        for snapshot in snapshots:
            yield from health_families(snapshot)
        yield from self._own.collect()


class Restricted(CollectorRegistry):
    """A registry that keeps only the samples with these names."""

    def __init__(self, registry: CollectorRegistry, names: Sequence[str]) -> None:
        super().__init__()
        self._registry = registry
        self._names = names

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            kept = Metric(family.name, family.documentation, family.type, family.unit)
            kept.samples = [sample for sample in family.samples if sample.name in self._names]
            if kept.samples:
                yield kept
