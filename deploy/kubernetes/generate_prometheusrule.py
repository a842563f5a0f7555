"""Wrap the rule files of deploy/prometheus into the PrometheusRule of the base: make docs.

Their text is only indented, so comments stay; a file with `groups` is a rule file, and their order is by name.
"""

import re
from pathlib import Path

RULES = Path(__file__).resolve().parent.parent / "prometheus"
OUTPUT = Path(__file__).resolve().parent / "base" / "prometheusrule.yaml"

_HEAD = """\
# Written by `make docs` from the rules in deploy/prometheus: change them there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cloudflare-access-exporter
spec:
  groups:"""


def rule_files() -> list[Path]:
    """Return the files with rules; those of promtool's tests and of Prometheus itself have no `groups`."""
    return [path for path in sorted(RULES.glob("*.yaml")) if _groups(path) is not None]


def rendered() -> str:
    """Return the manifest."""
    groups = "".join(_indented(_groups(path) or "") for path in rule_files())
    return f"{_HEAD}\n{groups}" if groups else f"{_HEAD} []\n"


def _groups(path: Path) -> str | None:
    found = re.search(r"^groups:\n(.*)", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return found[1] if found else None


def _indented(text: str) -> str:
    margin = " " * (4 - len(text) + len(text.lstrip(" ")))
    return "".join(f"{margin}{line}\n" if line else "\n" for line in text.rstrip().split("\n"))


if __name__ == "__main__":
    OUTPUT.write_text(rendered(), encoding="utf-8")
