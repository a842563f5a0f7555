"""The Helm chart with TLS, basic auth and client certificates: the kubelet and Prometheus can reach the exporter."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from access_exporter import options
from tests.deploy.helm import NAME, container, only, refused, rendered, workload
from tests.deploy.manifests import validate
from tests.deploy.monitoring import free_ports
from tests.deploy.test_kubernetes_probes import CLIENTS, PROTECTIONS, TLS, USERS, Protection, passes, running
from tests.processes import ROOT

MONITORED = {"serviceMonitor": {"enabled": True}}
FILES = {"tls.crt": "made-up", "tls.key": "made-up", "ca.crt": "made-up"}


def values_of(protection: Protection, given: str) -> dict[str, Any]:
    """Return the values for a protection, with web.yaml in the values or in an existing Secret."""
    if given == "values":
        web = yaml.safe_load(protection.web) or {}
        web.pop("auth_excluded_paths", None)  # the chart adds this key
        return MONITORED | {"web": {"config": web, "files": FILES if web else {}}}
    flags = {"tls": "tls", "basic-auth": "basicAuth", "client-certificates": "clientCertificates"}
    chosen = {flag: True for component, flag in flags.items() if component in protection.components}
    return MONITORED | {"web": {"existingSecret": "mine"} | chosen if protection.web else {}}


@pytest.fixture(scope="module", params=PROTECTIONS)
def protection(request: pytest.FixtureRequest) -> Protection:
    return PROTECTIONS[request.param]


@pytest.fixture(scope="module", params=["values", "existing Secret"])
def objects(request: pytest.FixtureRequest, protection: Protection) -> list[dict[str, Any]]:
    return rendered(values=values_of(protection, request.param))


def served(objects: list[dict[str, Any]], protection: Protection) -> Protection:
    """Return the protection with the chart's web.yaml if the chart generates one, or else unchanged."""
    for secret in (each for each in objects if each["kind"] == "Secret"):
        text = base64.b64decode(secret["data"]["web.yaml"]).decode()
        return protection._replace(web=text)
    return protection


def test_every_object_is_valid(objects: list[dict[str, Any]]) -> None:
    """Every rendered object is valid for Kubernetes or for the Prometheus operator."""
    for manifest in objects:
        validate(manifest)


@pytest.fixture(scope="module")
def ports(
    objects: list[dict[str, Any]], protection: Protection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, int]]:
    """The port of an exporter that runs with the chart's web.yaml, and a port without a server."""
    started = running(served(objects, protection), tmp_path_factory.mktemp("exporter"))
    try:
        yield started.port, free_ports(1)[0]
    finally:
        started.stop()


@pytest.mark.parametrize("name", ["readinessProbe", "livenessProbe"])
def test_probes_pass(objects: list[dict[str, Any]], ports: tuple[int, int], name: str) -> None:
    """A probe of the chart succeeds while an exporter with the chart's web.yaml runs, and fails without one."""
    assert [passes(container(objects)[name], port) for port in ports] == [True, False]


def test_helm_test_passes(objects: list[dict[str, Any]], ports: tuple[int, int]) -> None:
    """`helm test` succeeds while an exporter with the chart's web.yaml runs, and fails without one."""
    (asking,) = only(objects, "Pod")["spec"]["containers"]
    assert asking["command"][:3] == ["/venv/bin/python", "-I", "-m"]
    commands = [[sys.executable, *asking["command"][2:], f"localhost:{port}"] for port in ports]
    assert [subprocess.run(each, cwd=ROOT, timeout=30, check=False).returncode for each in commands] == [0, 1]


def test_the_service_monitor_matches_the_protection(objects: list[dict[str, Any]], protection: Protection) -> None:
    """The ServiceMonitor has TLS, a password or a client certificate exactly if web.yaml requires it."""
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint.get("scheme") == "https") == ("tls" in protection.components)
    assert ("basicAuth" in endpoint) == ("basic-auth" in protection.components)
    assert ("cert" in endpoint.get("tlsConfig", {})) == ("client-certificates" in protection.components)
    assert endpoint.get("tlsConfig", {}).get("serverName") in (None, only(objects, "Service")["metadata"]["name"])


def test_the_web_configuration_is_mounted(objects: list[dict[str, Any]], protection: Protection) -> None:
    """The exporter's --web.config.file is in the mounted Secret; without a web configuration, the flag is absent."""
    file = options.parse(container(objects)["args"]).web_config_file
    mounts = {mount["name"]: mount["mountPath"] for mount in container(objects)["volumeMounts"]}
    assert (file and str(Path(file).parent)) == mounts.get("web")
    assert (file is not None) == bool(protection.web)


def test_a_certificate_comes_from_its_own_secret() -> None:
    """The pod mounts cert-manager's Secret beside web.yaml, and Prometheus trusts the CA certificate in it."""
    web = {"config": yaml.safe_load(TLS), "certificateSecret": "certificate"}
    objects = rendered(values=MONITORED | {"web": web})
    volumes = {each["name"]: each for each in workload(objects)["spec"]["template"]["spec"]["volumes"]}
    sources = [source["secret"]["name"] for source in volumes["web"]["projected"]["sources"]]
    assert sources == [f"{NAME}-web", "certificate"]
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["tlsConfig"]["ca"] == {"secret": {"name": "certificate", "key": "ca.crt"}}


def test_a_missing_ca_certificate_is_an_error() -> None:
    """The chart refuses a ServiceMonitor with TLS but without ca.crt, unless the values set its tlsConfig."""
    web = {"web": {"config": yaml.safe_load(TLS), "files": {"tls.crt": "made-up", "tls.key": "made-up"}}}
    assert "web.files: give ca.crt as well" in refused(MONITORED | web)
    trusted = {"serviceMonitor": {"enabled": True, "tlsConfig": {"insecureSkipVerify": True}}}
    (endpoint,) = only(rendered(values=trusted | web), "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["tlsConfig"] == {"insecureSkipVerify": True}


def test_required_client_certificates_change_the_probes() -> None:
    """The probes run inside the pod if web.yaml requires client certificates, but not if they are optional."""
    for kind, runs_inside in {"RequireAnyClientCert": True, "VerifyClientCertIfGiven": False}.items():
        text = TLS.replace("}", f", {CLIENTS}}}").replace("RequireAndVerifyClientCert", kind)
        web = {"config": yaml.safe_load(text), "files": FILES}
        assert ("exec" in container(rendered(values={"web": web}))["livenessProbe"]) == runs_inside


def test_paths_without_a_password_are_kept() -> None:
    """The chart adds the paths of the probes to the `auth_excluded_paths` of the values."""
    config = yaml.safe_load(USERS) | {"auth_excluded_paths": ["/metrics", "/-/ready"]}
    secret = only(rendered(values={"web": {"config": config}}), "Secret", "-web")
    web = yaml.safe_load(base64.b64decode(secret["data"]["web.yaml"]))
    assert sorted(web["auth_excluded_paths"]) == ["/-/healthy", "/-/ready", "/metrics"]
