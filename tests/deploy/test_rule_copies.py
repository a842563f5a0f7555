"""deploy/rules is the only source of rules and thresholds, and `make docs` generates every copy."""

import re
from typing import Any

import yaml

from deploy.rules.generate import outputs
from tests.deploy.files import ALERTS, DEPLOY, alert_names, rules

SOURCE = DEPLOY / "rules"
THRESHOLDS: dict[str, dict[str, Any]] = yaml.safe_load((SOURCE / "thresholds.yaml").read_text("utf-8"))


def test_copies_are_current() -> None:
    """Every copy of the rules matches its source; `make docs` updates the copies."""
    copies = outputs()
    assert ALERTS in copies
    assert {path: path.read_text("utf-8") for path in copies} == copies


def test_every_threshold_is_used_and_explained() -> None:
    """A threshold has a default, a unit and a description that starts with its alert, and this alert uses it."""
    texts: dict[str, str] = {}
    for rule in rules(SOURCE / "alerts.yaml"):
        texts[rule["alert"]] = texts.get(rule["alert"], "") + rule["expr"]
    assert texts.keys() == alert_names()
    for name, threshold in THRESHOLDS.items():
        assert threshold.keys() == {"default", "unit", "description"}
        assert isinstance(threshold["default"], int | float)
        assert f"${{{name}}}" in texts[threshold["description"].partition(" ")[0]]


def test_every_comparison_has_a_named_threshold() -> None:
    """An alert compares only with named thresholds, or with 0 and 1 for no, yes and none."""
    for rule in rules(SOURCE / "alerts.yaml"):
        literals = re.findall(r"(?:[<>]=?|[=!]=)\s*(?:bool\s+)?([\d.]+)", rule["expr"])
        assert set(literals) <= {"0", "1"}, rule["alert"]
