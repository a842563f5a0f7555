"""What the exporter says of itself."""

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


def test_exporter(registry: CollectorRegistry) -> None:
    """The version, and which of how many exporters this is."""
    version = {"version": __version__, "python_version": platform.python_version()}
    assert registry.get_sample_value("cloudflare_access_exporter_build_info", version) == 1
    shard = {"shard": "1", "total_shards": "3"}
    assert registry.get_sample_value("cloudflare_access_exporter_shard_info", shard) == 1
    assert registry.get_sample_value("cloudflare_access_exporter_shards") == 3
