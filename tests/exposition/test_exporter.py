"""Metrics about the exporter itself."""

import platform

import pytest
from prometheus_client import CollectorRegistry

from access_exporter import __version__
from access_exporter.exposition.exporter import ExporterMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ExporterMetrics(registry, shard=1, total_shards=3)
    return registry


def test_version_and_shard(registry: CollectorRegistry) -> None:
    """The metrics show the version, the shard of this exporter and the number of shards."""
    version = {"version": __version__, "python_version": platform.python_version()}
    assert registry.get_sample_value("cloudflare_access_exporter_build_info", version) == 1
    shard = {"shard": "1", "total_shards": "3"}
    assert registry.get_sample_value("cloudflare_access_exporter_shard_info", shard) == 1
    assert registry.get_sample_value("cloudflare_access_exporter_shards") == 3
