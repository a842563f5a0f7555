"""The Kubernetes manifests that kustomize builds: they are valid, secure and consistent."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from access_exporter import config, options
from tests.deploy import manifests as kubernetes
from tests.deploy.files import ALERTS, RULES
from tests.deploy.manifests import FOLDER, SPECS, Manifests, kustomize
from tests.processes import ROOT


@pytest.fixture(scope="module", params=["base", "sharded"])
def manifests(request: pytest.FixtureRequest) -> Manifests:
    return kustomize(FOLDER / request.param)


@pytest.fixture(scope="module")
def workload(manifests: Manifests) -> dict[str, Any]:
    return kubernetes.workload(manifests)


def test_a_misspelled_field_is_refused() -> None:
    """The schema of a ServiceMonitor in these tests refuses a misspelled field."""
    spec = {"selector": {}, "endpoints": [{"port": "http", "intervall": "60s"}]}
    with pytest.raises(jsonschema.ValidationError, match="intervall"):
        jsonschema.validate(spec, SPECS["ServiceMonitor"])


def test_pods_meet_the_restricted_standard(workload: dict[str, Any]) -> None:
    """Each pod meets the restricted Pod Security Standard, and its root file system is read-only.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert all(not {"configMap", "secret", "persistentVolumeClaim"}.isdisjoint(volume) for volume in pod["volumes"])
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert all("hostPort" not in port for port in container["ports"])


def test_pods_have_resources_and_no_access_to_the_cluster(manifests: Manifests, workload: dict[str, Any]) -> None:
    """A pod requests CPU and memory, limits its memory, and gets no cluster token and no secret in its environment."""
    pod = workload["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]
    assert pod["automountServiceAccountToken"] is manifests["ServiceAccount"]["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() == {"memory"}
        assert "envFrom" not in container
        assert all("valueFrom" not in variable for variable in container.get("env", []))
        ports = {port["name"] for port in container["ports"]}
        assert {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} <= ports


def test_everything_selects_the_pods(manifests: Manifests, workload: dict[str, Any]) -> None:
    """The workload, the Service, the NetworkPolicy and the ServiceMonitor select the same pods and port."""
    template = workload["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    service, monitor, policy = (manifests[kind] for kind in ("Service", "ServiceMonitor", "NetworkPolicy"))
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,) = template["spec"]["containers"][0]["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    (source,) = policy["spec"]["ingress"][0]["from"]
    assert source["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}


def test_the_exporter_accepts_its_arguments_and_configuration(
    manifests: Manifests, workload: dict[str, Any], tmp_path: Path
) -> None:
    """The exporter accepts the pod's arguments, finds its files in the volumes, and loads the ConfigMap."""
    container = workload["spec"]["template"]["spec"]["containers"][0]
    chosen = options.parse(container["args"])
    file = Path(chosen.configuration({each["name"]: each["value"] for each in container["env"]}) or "")
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert [str(file.parent), chosen.storage_path] == [mounts[0], mounts[2]]
    text = manifests["ConfigMap"]["data"][file.name]
    assert f"{mounts[1]}/token" in text
    (tmp_path / "token").write_text("made-up", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.replace(mounts[1], str(tmp_path)), encoding="utf-8")
    assert config.load(str(tmp_path / "config.yaml"), {}).accounts


def test_each_shard_has_a_pod() -> None:
    """The overlay `sharded` has one pod for each shard, and does not have the Deployment of the base."""
    manifests = kustomize(FOLDER / "sharded")
    assert "Deployment" not in manifests
    spec = manifests["StatefulSet"]["spec"]
    chosen = options.parse(spec["template"]["spec"]["containers"][0]["args"])
    assert chosen.total_shards == spec["replicas"] > 1
    assert spec["serviceName"] == manifests["Service"]["metadata"]["name"]


def test_base_runs_one_exporter_at_a_time() -> None:
    """During a rollout, the old pod stops before the new one starts, so two exporters never poll at the same time."""
    spec = kustomize(FOLDER / "base")["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_image_is_this_version(workload: dict[str, Any]) -> None:
    """The manifests and their README use the image of the current version."""
    from access_exporter import __version__

    image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"cloudflare-access-exporter:{__version__}"
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"(?:/cloudflare-access-exporter:|newTag: )([\w.-]+)", readme)
    assert named == [__version__] * 2


def test_the_job_has_the_name_in_the_scrape_configuration(manifests: Manifests) -> None:
    """The ServiceMonitor and the README's scrape configuration use the same job name, so the rules work with both."""
    (relabeling,) = manifests["ServiceMonitor"]["spec"]["endpoints"][0]["relabelings"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (relabeling["targetLabel"], relabeling["replacement"]) == ("job", "cloudflare-access")
    assert f"job_name: {relabeling['replacement']}\n" in readme


def test_rules_match_deploy_prometheus(manifests: Manifests) -> None:
    """The PrometheusRule has exactly the groups of the files in deploy/prometheus, and each group name is unique."""
    groups = manifests["PrometheusRule"]["spec"]["groups"]
    assert groups == [group for path in (ALERTS, RULES) for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    names = [group["name"] for group in groups]
    assert len(names) == len(set(names)), "the API server refuses a duplicate group name"


def test_only_one_file_has_an_account_id() -> None:
    """Exactly one manifest has an account ID, so users have to change it in one place only."""
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.yaml")]
    assert sum(len(re.findall(r"[0-9a-f]{32}", text)) for text in texts) == 1
