"""The options of the dashboards exist in Grafana: its SDK decodes and encodes them without a loss.

The SDK drops an option that it does not know, for example a misspelled one.
"""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from tests.deploy.files import dashboards, panels

register_default_plugins()

# Settings that an annotation has only for the Prometheus data source, so the SDK's common model lacks them.
OF_PROMETHEUS = {"titleFormat": str, "textFormat": str, "useValueForTime": bool}
# The SDK does not check the options of a transformation. These are the valid options of the three that we use.
TRANSFORMATIONS: dict[str, dict[str, set[str] | None]] = {
    "filterFieldsByName": {"include": {"names"}},
    "merge": {},
    "organize": {"indexByName": None, "renameByName": None},
}
every_dashboard = pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))


def decoded_and_encoded(model: Any, data: Any) -> Any:
    return json.loads(JSONEncoder().encode(model.from_json(copy.deepcopy(data))))


def lost(data: Any, back: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value that the SDK dropped or changed; the SDK may add default values."""
    if isinstance(data, dict) and isinstance(back, dict):
        for key, value in data.items():
            if key in back:
                yield from lost(value, back[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(data, list) and isinstance(back, list) and len(data) == len(back):
        for number, (value, returned) in enumerate(zip(data, back, strict=True)):
            yield from lost(value, returned, f"{path}[{number}]")
    elif data != back or type(data) is not type(back):
        yield path


def without_prometheus(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Check the annotation settings that only Prometheus has, and return the dashboard without them."""
    dashboard = copy.deepcopy(dashboard)
    for annotation in dashboard["annotations"]["list"]:
        for name, kind in OF_PROMETHEUS.items():
            assert isinstance(annotation.pop(name), kind)
    return dashboard


def overrides(dashboard: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each override as a field configuration, together with the type of its panel."""
    for panel in panels(dashboard):
        for override in panel.get("fieldConfig", {"overrides": []})["overrides"]:
            config: dict[str, Any] = {"custom": {}}
            for each in override["properties"]:
                place, _, name = each["id"].rpartition(".")
                (config["custom"] if place == "custom" else config)[name] = each["value"]
            yield panel["type"], config


@every_dashboard
def test_the_sdk_knows_every_option_of_a_dashboard(dashboard: dict[str, Any]) -> None:
    """Grafana's SDK decodes and encodes a dashboard with all its panels and queries without a loss."""
    data = without_prometheus(dashboard)
    assert list(lost(data, decoded_and_encoded(models.Dashboard, data))) == []


@every_dashboard
def test_the_sdk_knows_every_property_of_an_override(dashboard: dict[str, Any]) -> None:
    """Each property of an override is a property of a field or, in a table, of a cell."""
    for kind, config in overrides(dashboard):
        custom = config.pop("custom")
        assert list(lost(config, decoded_and_encoded(models.FieldConfig, config))) == []
        assert not custom or kind == "table"
        assert list(lost(custom, decoded_and_encoded(common.TableFieldOptions, custom))) == []


@every_dashboard
def test_transformations_have_options_that_exist(dashboard: dict[str, Any]) -> None:
    """Each transformation exists in Grafana, and so does each of its options."""
    for panel in panels(dashboard):
        for each in panel.get("transformations", []):
            known = TRANSFORMATIONS[each["id"]]
            assert each["options"].keys() <= known.keys()
            for name, options in known.items():
                assert options is None or each["options"][name].keys() <= options


@pytest.mark.parametrize(
    "path",
    [
        ("refresh",),
        ("templating", "list", 1, "includeAll"),
        ("annotations", "list", 0, "iconColor"),
        ("links", 0, "keepTime"),
        ("panels", 1, "gridPos"),
        ("panels", 1, "targets", 0, "legendFormat"),
        ("panels", 1, "options", "graphMode"),
        ("panels", 1, "options", "reduceOptions", "calcs"),
        ("panels", 3, "fieldConfig", "defaults", "custom", "spanNulls"),
        ("panels", 3, "fieldConfig", "defaults", "thresholds", "steps"),
        ("panels", 3, "options", "legend", "placement"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_the_sdk_drops_a_misspelled_option(path: tuple[str | int, ...]) -> None:
    """Grafana's SDK drops a misspelled option at each level of a dashboard, so the tests above find it."""
    data: Any = without_prometheus(dashboards()["cloudflare-access-overview"])
    place = data
    for step in path[:-1]:
        place = place[step]
    place[f"{path[-1]}x"] = place[path[-1]]
    found = list(lost(data, decoded_and_encoded(models.Dashboard, data)))
    assert [re.sub(r"\[(\d+)\]", r".\1", each) for each in found] == [f".{'.'.join(map(str, path))}x"]
