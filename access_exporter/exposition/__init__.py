"""Metric families in, exposition text out."""

from access_exporter.exposition.exporter import ExporterMetrics
from access_exporter.exposition.families import counter, gauge
from access_exporter.exposition.text import Block, Format, Part, Rendered, blocks, page, render, restrict

__all__ = [
    "Block",
    "ExporterMetrics",
    "Format",
    "Part",
    "Rendered",
    "blocks",
    "counter",
    "gauge",
    "page",
    "render",
    "restrict",
]
