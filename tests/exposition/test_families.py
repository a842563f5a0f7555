"""Metric families that are made from labels and values."""

import pytest
from prometheus_client import Metric

from access_exporter.exposition.families import counter, gauge


def test_gauge() -> None:
    """Each sample has its own labels; True becomes 1, and an unknown value is omitted, never 0."""
    labels = {"target": "a"}
    family = gauge("size", "A size.", [(labels, 0), ({"target": "b"}, None), ({}, True)])
    labels["target"] = "changed later"
    assert (family.name, family.documentation, family.type) == ("size", "A size.", "gauge")
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("size", {"target": "a"}, 0),
        ("size", {}, 1),
    ]


def test_counter() -> None:
    """The samples of a counter have the given name, and the family has it without `_total`."""
    family = counter("events_total", "Events.", [({"reason": "auth"}, 2)])
    assert (family.name, family.type) == ("events", "counter")
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("events_total", {"reason": "auth"}, 2)
    ]


@pytest.mark.parametrize(
    ("family", "unit"),
    [
        (gauge("age_seconds", "An age.", []), "seconds"),
        (gauge("start_timestamp_seconds", "A start.", []), "seconds"),
        (gauge("size_bytes", "A size.", []), "bytes"),
        (gauge("share_ratio", "A share.", []), "ratio"),
        (counter("waits_seconds_total", "Waits.", []), "seconds"),
        (gauge("users", "Users.", []), ""),
        (gauge("seconds", "No unit: nothing is measured.", []), ""),
        (gauge("milliseconds", "No base unit.", []), ""),
        (counter("seconds_events_total", "Events.", []), ""),
    ],
)
def test_unit(family: Metric, unit: str) -> None:
    """A family has the base unit that its name ends with, after an underscore, or else no unit."""
    assert family.unit == unit
