"""Writes metric families as exposition text and compresses it. Also defines the exporter's own metrics."""

from access_exporter.exposition.exporter import ExporterMetrics
from access_exporter.exposition.families import counter, gauge
from access_exporter.exposition.page import Page, assemble
from access_exporter.exposition.text import Encoded, Format, Rendered, encode, render

__all__ = [
    "Encoded",
    "ExporterMetrics",
    "Format",
    "Page",
    "Rendered",
    "assemble",
    "counter",
    "encode",
    "gauge",
    "render",
]
