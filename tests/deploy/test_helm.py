"""The Helm chart for many combinations of values: the rendered objects are valid, secure and consistent."""

import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from access_exporter import __version__, cli, options
from tests.deploy.files import HOMEPAGE
from tests.deploy.helm import CASES, CHART, ID, LINKED, VALUES, container, helm, only, pods, rendered, workload
from tests.deploy.manifests import FOLDER, Manifest, fields, kustomize, validate
from tests.deploy.programs import program
from tests.deploy.test_kubernetes_network import OPENSHIFT_DNS, allows
from tests.processes import ROOT

ACCOUNTS = [{"id": ID}, {"id": "9a7806061c88ada191ed06f989cc3dac", "api_token": "${TOKEN}"}]
ALL = {
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
}
SHARDS: list[dict[str, Any]] = [{"shards": 1}, {"shards": 4}]
STORAGE: list[dict[str, Any]] = [{"persistence": {"enabled": True, "size": "2Gi"}}, {"persistence": {"enabled": False}}]
SECRETS: list[dict[str, Any]] = [
    {"secret": {"existingSecret": "mine", "environment": {"TOKEN": "other"}}},
    {"secret": {"data": {"token": "made-up", "other": "made-up"}, "environment": {"TOKEN": "other"}}},
]
BOARDS: list[dict[str, Any]] = [
    {"dashboards": {"configMaps": {"enabled": True}}},
    {"dashboards": {"grafanaOperator": {"enabled": True}}},
]
COMBINATIONS = [
    {"config": {"accounts": ACCOUNTS}} | ALL | shards | storage | secret | boards
    for shards, storage, secret, boards in product(SHARDS, STORAGE, SECRETS, BOARDS)
]
MATRIX = [*CASES, *COMBINATIONS]
# https://grafana.github.io/grafana-operator/docs/api/#grafanadashboardspec
DASHBOARD = fields(
    "instanceSelector",
    "json",
    instanceSelector={"type": "object"},
    allowCrossNamespaceImport={"type": "boolean"},
    folder={"type": "string"},
    json={"type": "string", "minLength": 1000},
)


def case(chosen: Path | dict[str, Any]) -> str:
    return chosen.name if isinstance(chosen, Path) else f"{COMBINATIONS.index(chosen)}"


@pytest.fixture(scope="module", params=[{}, *MATRIX], ids=lambda chosen: case(chosen) if chosen else "defaults")
def objects(request: pytest.FixtureRequest) -> list[Manifest]:
    chosen = request.param
    return rendered("--values", chosen) if isinstance(chosen, Path) else rendered(values=chosen)


@pytest.mark.parametrize("values", [None, *CASES], ids=lambda chosen: case(chosen) if chosen else "defaults")
def test_helm_lint_finds_nothing(values: Path | None) -> None:
    """`helm lint --strict` reports no error and no warning."""
    ended = helm("lint", "--strict", "--quiet", CHART, *(("--values", values) if values else ()))
    said = [line for line in ended.stderr.splitlines() if LINKED not in line]
    assert (ended.returncode, ended.stdout, said) == (0, "", [])


def test_every_object_is_valid(objects: list[Manifest]) -> None:
    """Each object is valid for Kubernetes 1.29 and later or for its operator, and no name is used twice."""
    for manifest in objects:
        if manifest["kind"] == "GrafanaDashboard":
            assert manifest["apiVersion"] == "grafana.integreatly.org/v1beta1"
            jsonschema.validate(manifest["spec"], DASHBOARD)
        else:
            validate(manifest)
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in objects]
    assert len(names) == len(set(names))


def test_kube_linter_finds_nothing(objects: list[Manifest], tmp_path: Path) -> None:
    """kube-linter reports no problem in the rendered objects."""
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    linted = subprocess.run([program("kube-linter"), "lint", file], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_pods_meet_the_restricted_standard(objects: list[Manifest]) -> None:
    """Each pod meets the restricted Pod Security Standard, and its root file system is read-only.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    for pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"].get("runAsUser") != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_everything_selects_the_pods(objects: list[Manifest]) -> None:
    """The workload, Service, policies and ServiceMonitor select the exporter's pods, but not the pod of `helm test`."""
    labels = workload(objects)["spec"]["template"]["metadata"]["labels"].items()
    tested = only(objects, "Pod")["metadata"]["labels"].items()
    service = only(objects, "Service")
    selectors = [service["spec"]["selector"]]
    for manifest in objects:
        if manifest["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            selectors.append(manifest["spec"]["selector"]["matchLabels"])
        elif manifest["kind"] == "NetworkPolicy":
            selectors.append(manifest["spec"]["podSelector"]["matchLabels"])
            *_, asking = manifest["spec"]["ingress"][0]["from"]
            assert asking["podSelector"]["matchLabels"].items() <= tested
        elif manifest["kind"] == "ServiceMonitor":
            assert manifest["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
            assert manifest["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    for selector in selectors:
        assert selector.items() <= labels
        assert not selector.items() <= tested
    assert service["spec"]["ports"][0]["targetPort"] == container(objects)["ports"][0]["name"]


def test_helm_test_asks_every_pod(objects: list[Manifest]) -> None:
    """`helm test` sends a request to each shard of a StatefulSet by its pod name, or to the Service of a Deployment."""
    name, spec = only(objects, "Service")["metadata"]["name"], workload(objects)["spec"]
    hosts = [f"{name}-{number}.{name}" for number in range(spec["replicas"])] if "serviceName" in spec else [name]
    port = container(objects)["ports"][0]["containerPort"]
    assert only(objects, "Pod")["spec"]["containers"][0]["args"] == [f"{host}:{port}" for host in hosts]


def test_every_mount_has_its_volume(objects: list[Manifest]) -> None:
    """Each mount has a volume, each volume has a mount, and the chart renders the ConfigMap and the volume claim."""
    spec = workload(objects)["spec"]
    claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
    volumes = [volume["name"] for volume in spec["template"]["spec"]["volumes"]] + claims
    mounts = container(objects)["volumeMounts"]
    assert sorted(volumes) == sorted(mount["name"] for mount in mounts)
    assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
    own = only(objects, "Service")["metadata"]["name"]
    named = {each["kind"] for each in objects if each["metadata"]["name"] == own}
    assert "ConfigMap" in named
    for volume in spec["template"]["spec"]["volumes"]:
        if volume.get("persistentVolumeClaim", {}).get("claimName") == own:
            assert "PersistentVolumeClaim" in named


def test_the_exporter_accepts_its_arguments_and_configuration(
    objects: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exporter accepts the flags of the pod, and `--config.check` accepts the configuration in the ConfigMap."""
    found = container(objects)
    mounts = {mount["name"]: mount["mountPath"] for mount in found["volumeMounts"]}
    chosen = options.parse(found["args"])
    file = chosen.configuration({each["name"]: each.get("value", "") for each in found["env"]})
    assert (file, chosen.storage_path) == (f"{mounts['config']}/config.yaml", mounts["storage"])
    for name in ("token", "second"):
        (tmp_path / name).write_text("made-up", encoding="utf-8")
    for variable in found["env"]:
        monkeypatch.setenv(variable["name"], ID if variable["name"] == "ACCOUNT" else "made-up")
    (tmp_path / "config.yaml").write_text(
        config(objects).replace("/run/secrets/cloudflare", str(tmp_path)), encoding="utf-8"
    )
    code = cli.main([f"--config.file={tmp_path / 'config.yaml'}", "--config.check"])
    assert (code, capsys.readouterr().err) == (0, "")


def config(objects: list[Manifest]) -> str:
    (found,) = (each["data"]["config.yaml"] for each in objects if "config.yaml" in each.get("data", {}))
    return str(found)


def test_each_shard_has_a_pod(objects: list[Manifest]) -> None:
    """Several shards are a StatefulSet, and each pod knows its name; one shard is a Deployment with one pod at most."""
    found = workload(objects)
    chosen = options.parse(container(objects)["args"])
    names = [variable["name"] for variable in container(objects)["env"]]
    if found["kind"] == "StatefulSet":
        assert chosen.total_shards == found["spec"]["replicas"] > 1
        assert found["spec"]["serviceName"] == only(objects, "Service")["metadata"]["name"]
        assert "POD_NAME" in names
    else:
        assert (chosen.total_shards, found["spec"]["replicas"]) == (1, 1)
        assert found["spec"]["strategy"] == {"type": "Recreate"}


def test_versions_match_the_exporter() -> None:
    """The chart, its image and the exporter have the same version, and the chart names the project's home page."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"], chart["home"]) == (__version__, __version__, HOMEPAGE)
    assert container(rendered())["image"] == f"{VALUES['image']['repository']}:{__version__}"


def test_defaults_match_kustomize() -> None:
    """The pod has the same security settings, resources, probes and timeouts as the pod of deploy/kubernetes/base."""
    (base,) = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "base" / "deployment.yaml").read_text("utf-8"))
    theirs, ours = base["spec"]["template"]["spec"], workload(rendered())["spec"]["template"]["spec"]
    for name in (
        "securityContext",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "terminationGracePeriodSeconds",
    ):
        assert ours[name] == theirs[name]
    for name in ("securityContext", "resources", "args", "env", "ports", "livenessProbe", "readinessProbe"):
        expected = theirs["containers"][0][name]
        if name.endswith("Probe"):
            expected["httpGet"]["scheme"] = "HTTP"
        assert ours["containers"][0][name] == expected


def test_network_policy_and_storage_match_kustomize() -> None:
    """The NetworkPolicy and the PersistentVolumeClaim are the same as in deploy/kubernetes/base."""
    base = kustomize(FOLDER / "base")["NetworkPolicy"]["spec"]
    spec = only(rendered(), "NetworkPolicy")["spec"]
    assert (spec["egress"], spec["policyTypes"]) == (base["egress"], base["policyTypes"])
    assert spec["ingress"][0]["ports"] == base["ingress"][0]["ports"]
    assert spec["ingress"][0]["from"][:-1] == base["ingress"][0]["from"]
    assert (
        only(rendered(), "PersistentVolumeClaim")["spec"] == kustomize(FOLDER / "base")["PersistentVolumeClaim"]["spec"]
    )


def test_openshift_has_its_own_dns() -> None:
    """With the values for OpenShift, the exporter can reach OpenShift's DNS pods and Cloudflare."""
    egress = only(rendered("--values", CHART / "ci" / "openshift-values.yaml"), "NetworkPolicy")["spec"]["egress"]
    for protocol in ("UDP", "TCP"):
        assert allows(egress, OPENSHIFT_DNS, 5353, protocol)
    assert allows(egress, "104.16.0.1", 443, "TCP")


def test_another_chart_can_depend_on_this_chart(tmp_path: Path) -> None:
    """As a dependency, the chart accepts `global` values and the condition `enabled` of the parent chart."""
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / CHART.name).symlink_to(CHART)
    on = {"name": CHART.name, "version": __version__, "condition": f"{CHART.name}.enabled"}
    chart = {"apiVersion": "v2", "name": "monitoring", "version": "1.0.0", "dependencies": [on]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart), encoding="utf-8")
    values = {"global": {"team": "identity"}, CHART.name: {"enabled": True, "shards": 2}}
    assert workload(rendered(values=values, chart=tmp_path))["spec"]["replicas"] == 2
