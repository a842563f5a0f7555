"""Every combination of the overlays and components in deploy/kubernetes."""

import json
import os
import re
from itertools import chain, combinations
from pathlib import Path

import pytest

from tests.deploy.files import DASHBOARDS, DEPLOY
from tests.deploy.manifests import (
    FOLDER,
    VERSIONS,
    Manifest,
    built,
    by_kind,
    combined,
    kustomize,
    pod,
    validate,
    workload,
)
from tests.deploy.test_kubernetes_probes import PROTECTIONS

OVERLAYS = ("base", "sharded")
DASHBOARD_COMPONENT = "grafana"
WITHOUT_OPERATOR = "kubernetes/components/without-prometheus-operator"
CHANGING = (
    "kubernetes/components/openshift",
    "kubernetes/components/ephemeral-storage",
    WITHOUT_OPERATOR,
)
CLUSTERS = (*CHANGING, DASHBOARD_COMPONENT)  # the dashboards only add objects, so they need no combinations
CHOICES = tuple(chain.from_iterable(combinations(CHANGING, number) for number in range(len(CHANGING) + 1)))
# The API server's limit for the annotations of an object. `kubectl apply` keeps a copy of the object in an annotation.
ANNOTATIONS_BYTES = 256 * 1024


def named(objects: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    """Return objects by kind and name, with their volumes sorted, because the order of volumes has no meaning."""
    for each in objects:
        if volumes := each.get("spec", {}).get("template", {}).get("spec", {}).get("volumes"):
            volumes.sort(key=lambda volume: str(volume["name"]))
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def protections(name: str) -> list[str]:
    return [f"kubernetes/components/{component}" for component in PROTECTIONS[name].components]


def test_every_component_is_tested_and_documented() -> None:
    """The tests combine all components that exist, and the README links each component."""
    used = {*CLUSTERS, *chain.from_iterable(protections(name) for name in PROTECTIONS)}
    files = [path for path in DEPLOY.rglob("kustomization.yaml") if "kind: Component\n" in path.read_text("utf-8")]
    assert used == {path.parent.relative_to(DEPLOY).as_posix() for path in files}
    readme = (FOLDER / "README.md").read_text("utf-8")
    links = {f"]({os.path.relpath(DEPLOY / each, FOLDER)})" for each in used}
    assert [link for link in links if link not in readme] == []
    assert {path.parent.name for path in FOLDER.glob("*/kustomization.yaml")} == set(OVERLAYS)


def test_schemas_of_all_supported_versions_exist() -> None:
    """The tests use the schemas of at least nine Kubernetes versions, from 1.29 on, without a gap."""
    minors = [int(version.removeprefix("1.")) for version in VERSIONS]
    assert minors == list(range(29, minors[-1] + 1))
    assert len(minors) >= 9


@pytest.mark.parametrize("chosen", CHOICES, ids=lambda chosen: " ".join(Path(each).name for each in chosen) or "none")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_combination_is_valid(overlay: str, chosen: tuple[str, ...], tmp_path: Path) -> None:
    """In every combination, all objects are valid for each version of Kubernetes and for the Prometheus operator."""
    for protection in PROTECTIONS:
        objects = combined(tmp_path, overlay, [*protections(protection), *chosen])
        for each in objects:
            validate(each)
        manifests = by_kind(objects)
        (container,) = pod(manifests)["containers"]
        templates = [each["metadata"] for each in workload(manifests)["spec"].get("volumeClaimTemplates", [])]
        volumes = [each["name"] for each in (*pod(manifests)["volumes"], *templates)]
        assert sorted(volumes) == sorted(mount["name"] for mount in container["volumeMounts"])
        operated = {each["kind"] for each in objects if each["apiVersion"].startswith("monitoring.coreos.com/")}
        assert operated == (set() if WITHOUT_OPERATOR in chosen else {"ServiceMonitor", "PrometheusRule"})


@pytest.mark.parametrize("protection", PROTECTIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_components_for_clusters_change_no_container(overlay: str, protection: str, tmp_path: Path) -> None:
    """The components for a kind of cluster do not change the container's arguments, probes and mounts."""
    usual = pod(by_kind(combined(tmp_path, overlay, protections(protection))))
    chosen = pod(by_kind(combined(tmp_path, overlay, [*protections(protection), *CHANGING])))
    assert chosen["containers"] == usual["containers"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_order_of_components_does_not_matter(overlay: str, tmp_path: Path) -> None:
    """A kustomization can list components in any order, except that client-certificates must follow tls."""
    protecting = protections("all")
    (web, tls, *others) = protecting
    usual = combined(tmp_path, overlay, [*protecting, *CLUSTERS])
    other = combined(tmp_path, overlay, [*CLUSTERS[::-1], tls, *others[::-1], web])
    assert named(other) == named(usual)


@pytest.mark.parametrize("chosen", [(), CLUSTERS], ids=["alone", "with components"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_image_is_set_in_one_place(overlay: str, chosen: tuple[str, ...], tmp_path: Path) -> None:
    """An image that `kustomize edit set image` writes into a kustomization replaces the image of every container."""
    image = {"name": "cloudflare-access-exporter", "newName": "registry.example.com/team/exporter", "newTag": "2"}
    objects = combined(tmp_path, overlay, [*protections("all"), *chosen], images=[image])
    images = re.findall(r'"image": "([^"]*)"', json.dumps(objects))
    assert images == ["registry.example.com/team/exporter:2"]


def test_no_other_file_names_an_image() -> None:
    """In deploy/kubernetes, only `images` in base/kustomization.yaml sets the version of the image."""
    texts = {path: path.read_text("utf-8") for path in FOLDER.rglob("*.yaml")}
    assert [path for path, text in texts.items() if re.search(r"^images:", text, re.MULTILINE)] == [
        FOLDER / "base" / "kustomization.yaml"
    ]
    found = [line for text in texts.values() for line in re.findall(r"^\s*(?:- )?image: .*", text, re.MULTILINE)]
    assert [line.strip() for line in found] == ["image: cloudflare-access-exporter"]


def test_dashboards_are_loaded_by_their_label(tmp_path: Path) -> None:
    """Each dashboard is unchanged in a ConfigMap with Grafana's label, under a name that is always the same."""
    built_alone = built(DEPLOY / DASHBOARD_COMPONENT)
    with_exporter = combined(tmp_path, "base", [DASHBOARD_COMPONENT])
    assert all(each in with_exporter for each in built_alone)
    shown: dict[str, str] = {}
    for each in built_alone:
        validate(each)
        assert each["metadata"]["labels"] == {"grafana_dashboard": "1"}
        assert re.fullmatch(r"cloudflare-access-dashboard-[a-z-]+", each["metadata"]["name"])
        assert len(json.dumps(each)) < ANNOTATIONS_BYTES
        shown |= each["data"]
    assert shown == {path.name: path.read_text("utf-8") for path in DASHBOARDS}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_openshift_chooses_the_user(overlay: str, tmp_path: Path) -> None:
    """The component for OpenShift removes user and group IDs from the pod, and keeps all other security settings."""
    usual = pod(kustomize(FOLDER / overlay))
    chosen = pod(by_kind(combined(tmp_path, overlay, ["kubernetes/components/openshift"])))
    ids = {"runAsUser", "runAsGroup", "fsGroup"}
    assert not re.search(rf'"({"|".join(ids)})":', json.dumps(chosen))
    assert chosen["securityContext"] == {
        key: value for key, value in usual["securityContext"].items() if key not in ids
    }


def test_shards_are_spread() -> None:
    """Shards prefer separate nodes and zones, also start without them, and a drain stops one shard at a time."""
    manifests = kustomize(FOLDER / "sharded")
    labels = manifests["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    (preferred,) = pod(manifests)["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    (zones,) = pod(manifests)["topologySpreadConstraints"]
    budget = manifests["PodDisruptionBudget"]["spec"]
    assert preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "ScheduleAnyway")
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    for selector in (preferred["podAffinityTerm"]["labelSelector"], zones["labelSelector"], budget["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
