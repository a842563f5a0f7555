"""Draws the dashboards for the documents from ten minutes of the demo: python -m tests.deploy.drawings."""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from docs import draw_dashboard
from tests.deploy.files import ALERTS, DEPLOY, RULES
from tests.deploy.monitoring import free_ports, prometheus
from tests.processes import ROOT, exporter

PICTURES = {"overview": "dashboard.svg", "policies": "policies.svg"}
SECONDS = 600  # the time range of the drawings


def main(seconds: float, pictures: Path) -> None:
    """Run a Prometheus that scrapes the demo each second and evaluates all rules; draw the data that it stored."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config.pop("alerting")
    with TemporaryDirectory() as name, exporter("--demo", patience=seconds + 60) as demo:
        demo.drain()
        folder = Path(name)
        for rules in (RULES, ALERTS):
            (folder / rules.name).write_bytes(rules.read_bytes())
        (job,) = config["scrape_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{demo.port}"]}]
        (port,) = free_ports(1)
        with prometheus("prometheus", config, folder, port) as running:
            time.sleep(seconds)
            for dashboard, picture in PICTURES.items():
                panels = json.loads((draw_dashboard.DASHBOARDS / f"{dashboard}.json").read_text("utf-8"))
                drawn = draw_dashboard.draw(panels, running.url)
                (pictures / picture).write_text("".join(f"{line}\n" for line in drawn), "utf-8")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS, ROOT / "docs")
