"""What the exporter says of its own process, beside what prometheus-client says of it."""

import resource
import tempfile
from contextlib import ExitStack

import prometheus_client
import pytest

from access_exporter.exposition.process import ProcessCollector

TOLERANCE = {
    "process_virtual_memory_bytes": 0.01,
    "process_resident_memory_bytes": 0.05,
    "process_start_time_seconds": 0,
    "process_cpu_seconds_total": 0.05,
    "process_max_fds": 0,
}


def samples(collector: prometheus_client.registry.Collector) -> dict[str, float]:
    return {sample.name: sample.value for family in collector.collect() for sample in family.samples}


def test_as_prometheus_client() -> None:
    """The series and their values are those that every program with prometheus-client has."""
    theirs, ours = samples(prometheus_client.ProcessCollector(registry=None)), samples(ProcessCollector())
    assert ours.keys() == theirs.keys()
    for name, tolerance in TOLERANCE.items():
        assert ours[name] == pytest.approx(theirs[name], rel=tolerance, abs=0.1 if "cpu" in name else 0)


def test_open_files() -> None:
    """Each file that is opened counts, and the limit is the one that holds now."""
    collector = ProcessCollector()
    before = samples(collector)["process_open_fds"]
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(tempfile.TemporaryFile())
        assert samples(collector)["process_open_fds"] == before + 7
    assert samples(collector)["process_open_fds"] == before
    assert samples(collector)["process_max_fds"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
