"""Writes every copy of the rules from the files in this folder: make docs.

`${name}` in a rule is a placeholder for a threshold or for a setting: the job, a severity, or a URL. The copies for
Prometheus and kustomize contain the defaults. The copies for the Helm chart and the mixin keep the placeholders, and
the chart and the mixin fill in the values.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).resolve().parent
DEPLOY = SOURCE.parent
CHART = DEPLOY / "helm" / "cloudflare-access-exporter"
HOMEPAGE: str = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Homepage"]

SETTINGS = {
    "job": "cloudflare-access",
    "warning": "warning",
    "critical": "critical",
    "runbook_url": f"{HOMEPAGE}/blob/main/docs/runbook.md",
}
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
WRITTEN = "# Written by `make docs` from deploy/rules: change it there.\n"
PROMETHEUS_RULE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cloudflare-access-exporter
spec:
  groups:
"""


def read(name: str) -> str:
    """Return the text of a source file."""
    return (SOURCE / name).read_text(encoding="utf-8")


def thresholds() -> dict[str, Any]:  # Any: YAML has integers and floats
    """Return the default of each threshold by its name."""
    return {name: threshold["default"] for name, threshold in yaml.safe_load(read("thresholds.yaml")).items()}


def with_defaults(text: str) -> str:
    """Return rules with the default of each placeholder, and without links to dashboards, which have no default."""
    values = SETTINGS | thresholds()
    without_links = re.sub(r"^ *dashboard_url: .*\n", "", text, flags=re.MULTILINE)
    return PLACEHOLDER.sub(lambda found: str(values[found[1]]), without_links)


def prometheus_rule() -> str:
    """Return the PrometheusRule for the kustomize base."""
    texts = (with_defaults(read(name)).partition("groups:\n")[2] for name in ("alerts.yaml", "recording.yaml"))
    lines = "\n".join(text.rstrip() for text in texts).split("\n")
    return WRITTEN + PROMETHEUS_RULE + "".join(f"  {line}\n" if line else "\n" for line in lines)


def outputs() -> dict[Path, str]:
    """Return the text of each copy by its file."""
    copies = {
        DEPLOY / "prometheus" / "alerts.yaml": WRITTEN + with_defaults(read("alerts.yaml")),
        DEPLOY / "prometheus" / "rules.yaml": WRITTEN + with_defaults(read("recording.yaml")),
        DEPLOY / "kubernetes" / "base" / "prometheusrule.yaml": prometheus_rule(),
    }
    for name in ("alerts", "recording", "thresholds"):
        text = read(f"{name}.yaml")
        copies[CHART / "rules" / f"{name}.yaml"] = WRITTEN + text
        copies[DEPLOY / "mixin" / f"{name}.json"] = json.dumps(yaml.safe_load(text), indent=2) + "\n"
    return copies


def main() -> None:
    """Write the copies."""
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
