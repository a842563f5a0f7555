"""Labels and values in, families out."""

from access_exporter.exposition.families import counter, gauge


def test_gauge() -> None:
    """Each sample has its own labels, True and False are numbers, and what is unknown is left out, never 0."""
    labels = {"target": "a"}
    family = gauge("size", "A size.", [(labels, 0), ({"target": "b"}, None), ({}, True)])
    labels["target"] = "changed later"
    assert (family.name, family.documentation, family.type) == ("size", "A size.", "gauge")
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("size", {"target": "a"}, 0),
        ("size", {}, 1),
    ]


def test_counter() -> None:
    """The samples of a counter have the name that it is given."""
    family = counter("events_total", "Events.", [({"reason": "auth"}, 2)])
    assert (family.name, family.type) == ("events", "counter")
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("events_total", {"reason": "auth"}, 2)
    ]
