"""Grafana's own models know every option of the dashboards: what is misspelled does not come back from them."""

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

# Prometheus's own settings of an annotation, which the models of all data sources do not have.
OF_PROMETHEUS = {"titleFormat": str, "textFormat": str, "useValueForTime": bool}
# The models take the options of a transformation as they are; these are what the three that we use know.
TRANSFORMATIONS: dict[str, dict[str, set[str] | None]] = {
    "filterFieldsByName": {"include": {"names"}},
    "merge": {},
    "organize": {"indexByName": None, "renameByName": None},
}
every_dashboard = pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))


def there_and_back(model: Any, data: Any) -> Any:
    return json.loads(JSONEncoder().encode(model.from_json(copy.deepcopy(data))))


def lost(data: Any, back: Any, path: str = "") -> Iterator[str]:
    """Yield the place of everything that the models did not give back as it was; they may add defaults."""
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
    """Return a dashboard without what only Prometheus knows of its annotations, once that is checked."""
    dashboard = copy.deepcopy(dashboard)
    for annotation in dashboard["annotations"]["list"]:
        for name, kind in OF_PROMETHEUS.items():
            assert isinstance(annotation.pop(name), kind)
    return dashboard


def overrides(dashboard: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the type of each panel with each of its overrides, as the field configuration that it amounts to."""
    for panel in panels(dashboard):
        for override in panel.get("fieldConfig", {"overrides": []})["overrides"]:
            config: dict[str, Any] = {"custom": {}}
            for each in override["properties"]:
                place, _, name = each["id"].rpartition(".")
                (config["custom"] if place == "custom" else config)[name] = each["value"]
            yield panel["type"], config


@every_dashboard
def test_models_give_back_the_dashboard(dashboard: dict[str, Any]) -> None:
    """Dashboard, variables, annotations, panels, their options, fields and queries come back as they were."""
    data = without_prometheus(dashboard)
    assert list(lost(data, there_and_back(models.Dashboard, data))) == []


@every_dashboard
def test_models_give_back_what_overrides_set(dashboard: dict[str, Any]) -> None:
    """What an override sets is a property of fields or, in a table, of its cells."""
    for kind, config in overrides(dashboard):
        custom = config.pop("custom")
        assert list(lost(config, there_and_back(models.FieldConfig, config))) == []
        assert not custom or kind == "table"
        assert list(lost(custom, there_and_back(common.TableFieldOptions, custom))) == []


@every_dashboard
def test_transformations_have_options_that_exist(dashboard: dict[str, Any]) -> None:
    """A transformation is one that Grafana has, with options that it has."""
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
def test_a_misspelled_option_is_noticed(path: tuple[str | int, ...]) -> None:
    """An option that Grafana does not know is lost on the way, at each level of a dashboard."""
    data: Any = without_prometheus(dashboards()["cloudflare-access-overview"])
    place = data
    for step in path[:-1]:
        place = place[step]
    place[f"{path[-1]}x"] = place[path[-1]]
    found = list(lost(data, there_and_back(models.Dashboard, data)))
    assert [re.sub(r"\[(\d+)\]", r".\1", each) for each in found] == [f".{'.'.join(map(str, path))}x"]
