"""The list of dashboards, and the text of their JSON files.

The mixin's copies have the placeholder ${name} for each threshold of an alert. Grafana's copies have the defaults.
"""

import json
from pathlib import Path
from typing import Any

from deploy.grafana.exporter_health import exporter_health
from deploy.grafana.overview import overview
from deploy.grafana.policies import policies
from deploy.grafana.thresholds import DEFAULTS, Threshold

FOLDER = Path(__file__).resolve().parent / "dashboards"
MIXIN = FOLDER.parents[1] / "mixin" / "dashboards"


def with_names(content: Any) -> Any:  # Any: JSON
    """Return a part of a dashboard with the placeholder ${name} instead of each threshold."""
    if isinstance(content, dict):
        return {key: with_names(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [with_names(value) for value in content]
    return content.placeholder if isinstance(content, Threshold) else content


def with_defaults(text: str) -> str:
    """Return the text of a dashboard with the default of each threshold, as a number or as digits in a string."""
    for name, default in DEFAULTS.items():
        text = text.replace(f'"${{{name}}}"', str(default)).replace(f"${{{name}}}", str(default))
    return text


def dashboards() -> dict[Path, str]:
    """Return the text of each dashboard by its file."""
    files = {"overview.json": overview(), "policies.json": policies(), "exporter-health.json": exporter_health()}
    texts = {
        name: json.dumps(with_names(content), indent=2, ensure_ascii=False) + "\n" for name, content in files.items()
    }
    copies = {MIXIN / name: text for name, text in texts.items()}
    return copies | {FOLDER / name: with_defaults(text) for name, text in texts.items()}
