"""Checks of the Compose file that need no Docker: mounted files exist, and services, ports and names match."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.deploy.files import DEPLOY, dashboards

FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def hosts(service: str) -> set[str]:
    networks = SERVICES[service].get("networks", {})
    return {service, *networks.get("default", {}).get("aliases", [])}


def test_file_matches_the_schema_of_compose() -> None:
    """Every key and value of the Compose file is valid by the Compose specification."""
    schema = "--builtin-schema=vendor.compose-spec"
    command: list[str | Path] = [sys.executable, "-m", "check_jsonschema", schema, FOLDER / "compose.yaml"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_is_sound(name: str) -> None:
    """A service has a pinned image or our own, drops all capabilities, restarts, and listens on 127.0.0.1 only."""
    service = SERVICES[name]
    if "build" not in service:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["restart"] == "unless-stopped"
    for port in service["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_mounts_exist(name: str) -> None:
    """Every mounted file exists and is mounted read-only; every named volume is declared."""
    for mount in SERVICES[name].get("volumes", []):
        source, _, target = mount.partition(":")
        if source.startswith("."):
            assert (FOLDER / source).exists(), mount
            assert target.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("profile", ["demo", "account"])
def test_profile_has_everything_once(profile: str) -> None:
    """Each profile starts one exporter under the host name that Prometheus scrapes, and uses each port once."""
    started = [name for name, service in SERVICES.items() if profile in service["profiles"]]
    ports = [port for name in started for port in SERVICES[name]["ports"]]
    assert len(ports) == len(set(ports)) == len(started) == 4
    assert sum("exporter" in hosts(name) for name in started) == 1


def test_hosts_and_ports_match_the_services() -> None:
    """Prometheus and Grafana's data sources use only host names and ports that a service has."""
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    addresses = {
        *prometheus["scrape_configs"][0]["static_configs"][0]["targets"],
        *prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"],
    }
    sources = yaml.safe_load((FOLDER / "grafana" / "datasources.yaml").read_text("utf-8"))["datasources"]
    addresses |= {urlsplit(source["url"]).netloc for source in sources}
    served = {
        f"{host}:{port.rpartition(':')[2]}"
        for name, service in SERVICES.items()
        for host in hosts(name)
        for port in service["ports"]
    }
    assert addresses <= served


def test_rules_and_dashboards_are_mounted() -> None:
    """Prometheus finds its rule files beside its configuration, and Grafana finds every dashboard."""
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    targets = {mount.split(":")[1] for mount in SERVICES["prometheus"]["volumes"]}
    assert {f"/etc/prometheus/{name}" for name in prometheus["rule_files"]} <= targets
    provider = yaml.safe_load((FOLDER / "grafana" / "dashboards.yaml").read_text("utf-8"))["providers"][0]
    mounted = dict(mount.removesuffix(":ro").split(":") for mount in SERVICES["grafana"]["volumes"])
    folders = {target: source for source, target in mounted.items()}
    assert len(list(Path(FOLDER / folders[provider["options"]["path"]]).glob("*.json"))) == len(dashboards())
