"""What the exporter says of itself and of its process."""

import os
import platform
import resource
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from access_exporter import __version__
from access_exporter.exposition.exporter import ExporterMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ExporterMetrics(registry, shard=1, total_shards=3)
    return registry


def process(registry: CollectorRegistry, name: str) -> float:
    """Return a number of the process."""
    value = registry.get_sample_value(f"process_{name}")
    assert value is not None
    return value


def test_process(registry: CollectorRegistry) -> None:
    """Memory is in bytes, CPU time in seconds, and the start in seconds since the epoch."""
    statm = [int(pages) * resource.getpagesize() for pages in Path("/proc/self/statm").read_text().split()]
    assert process(registry, "virtual_memory_bytes") == pytest.approx(statm[0], rel=0.01)
    assert process(registry, "resident_memory_bytes") == pytest.approx(statm[1], rel=0.05)
    assert process(registry, "cpu_seconds_total") == pytest.approx(time.process_time(), rel=0.05, abs=0.1)
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    assert process(registry, "start_time_seconds") == pytest.approx(started, abs=2)


def test_open_files(registry: CollectorRegistry) -> None:
    """Each file that is opened counts, and the limit is the one that holds now."""
    before = process(registry, "open_fds")
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(tempfile.TemporaryFile())
        assert process(registry, "open_fds") == before + 7
    assert process(registry, "open_fds") == before
    assert process(registry, "max_fds") == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_exporter(registry: CollectorRegistry) -> None:
    """The version, and which of how many exporters this is."""
    version = {"version": __version__, "python_version": platform.python_version()}
    assert registry.get_sample_value("cloudflare_access_exporter_build_info", version) == 1
    shard = {"shard": "1", "total_shards": "3"}
    assert registry.get_sample_value("cloudflare_access_exporter_shard_info", shard) == 1
    assert registry.get_sample_value("cloudflare_access_exporter_shards") == 3
