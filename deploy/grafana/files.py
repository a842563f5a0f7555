"""Which dashboards there are, and the text of their files."""

import json
from pathlib import Path

from deploy.grafana.exporter_health import exporter_health
from deploy.grafana.overview import overview
from deploy.grafana.policies import policies

FOLDER = Path(__file__).resolve().parent / "dashboards"


def dashboards() -> dict[Path, str]:
    """Return the text of each dashboard by its file."""
    files = {"overview.json": overview(), "policies.json": policies(), "exporter-health.json": exporter_health()}
    return {FOLDER / name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in files.items()}
