"""The probes of the Kubernetes manifests, run as the kubelet does, on a real exporter with each kind of protection."""

import http.client
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from access_exporter import options
from tests.certificates import Authority
from tests.deploy.manifests import Manifests, by_kind, combined, pod
from tests.processes import ROOT, Exporter
from tests.secured import HASH, install

TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n"
CLIENTS = "client_ca_file: ca.crt, client_auth_type: RequireAndVerifyClientCert"
USERS = f"basic_auth_users: {{prometheus: '{HASH}'}}\nauth_excluded_paths: [/-/healthy, /-/ready]\n"


class Protection(NamedTuple):
    """A web configuration, and the components of deploy/kubernetes that match it."""

    web: str
    components: tuple[str, ...]


PROTECTIONS = {
    "none": Protection("", ()),
    "basic auth": Protection(USERS, ("web-config", "basic-auth")),
    "TLS": Protection(TLS, ("web-config", "tls")),
    "TLS and basic auth": Protection(TLS + USERS, ("web-config", "tls", "basic-auth")),
    "client certificates": Protection(TLS.replace("}", f", {CLIENTS}}}"), ("web-config", "tls", "client-certificates")),
    "all": Protection(
        TLS.replace("}", f", {CLIENTS}}}") + USERS, ("web-config", "tls", "basic-auth", "client-certificates")
    ),
}


@pytest.fixture(scope="module", params=PROTECTIONS)
def protection(request: pytest.FixtureRequest) -> Protection:
    return PROTECTIONS[request.param]


@pytest.fixture(scope="module", params=["base", "sharded"])
def manifests(
    request: pytest.FixtureRequest, protection: Protection, tmp_path_factory: pytest.TempPathFactory
) -> Manifests:
    """The manifests with the components that deploy/kubernetes/README.md lists for a protection."""
    components = [f"kubernetes/components/{name}" for name in protection.components]
    return by_kind(combined(tmp_path_factory.mktemp("mine"), request.param, components))


@pytest.fixture(scope="module")
def container(manifests: Manifests) -> dict[str, Any]:
    (found,) = pod(manifests)["containers"]
    return dict(found)


def passes(probe: dict[str, Any], port: int) -> bool:
    """Return whether a probe succeeds, run as the kubelet does.

    https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
    """
    if command := probe.get("exec", {}).get("command"):
        assert str(command).replace("'", '"') in (ROOT / "Dockerfile").read_text("utf-8"), (
            "not the image's health check"
        )
        here = [sys.executable, *command[2:], str(port)]
        return subprocess.run(here, cwd=ROOT, timeout=probe["timeoutSeconds"], check=False).returncode == 0
    asked = probe["httpGet"]
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    if asked.get("scheme", "HTTP") == "HTTPS":
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=unverified)
    try:
        connection.request("GET", asked["path"], headers={"User-Agent": "kube-probe/1.34", "Accept": "*/*"})
        return 200 <= connection.getresponse().status < 400
    except OSError:
        return False
    finally:
        connection.close()


def test_the_web_configuration_is_mounted(container: dict[str, Any], protection: Protection) -> None:
    """The exporter's --web.config.file is in the mounted Secret; without a web configuration, the flag is absent."""
    file = options.parse(container["args"]).web_config_file
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert (file and str(Path(file).parent)) == mounts.get("web")
    assert (file is not None) == bool(protection.web)


def running(protection: Protection, folder: Path) -> Exporter:
    """Start an exporter with this protection; all its polls fail, because no API server runs."""
    install(Authority(folder), folder)
    (folder / "web.yaml").write_text(protection.web, encoding="utf-8")
    config = folder / "config.yaml"
    config.write_text(
        "api: {url: 'http://127.0.0.1:9'}\naccounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8"
    )
    flags = [f"--web.config.file={folder}/web.yaml"] if protection.web else []
    return Exporter(f"--config.file={config}", *flags)


def test_probes_pass(container: dict[str, Any], protection: Protection, tmp_path: Path) -> None:
    """With each kind of protection, both probes succeed while the exporter runs and fail after it has stopped."""
    started = running(protection, tmp_path)
    probes = [container[name] for name in ("readinessProbe", "livenessProbe")]
    try:
        assert [passes(probe, started.port) for probe in probes] == [True, True]
    finally:
        started.stop()
    assert [passes(probe, started.port) for probe in probes] == [False, False]
