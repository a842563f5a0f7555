"""The addresses that the NetworkPolicy lets the exporter reach, by the rules of Kubernetes."""

import ipaddress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

from tests.deploy.manifests import FOLDER, by_kind, combined, kustomize

OPENSHIFT = "kubernetes/components/openshift"


class Pod(NamedTuple):
    """A destination pod, described by its namespace and labels."""

    namespace: str
    labels: dict[str, str]


Peer: TypeAlias = Pod | str  # a string is an IP address that is not a pod's, for example a node's
Rule: TypeAlias = dict[str, Any]
KUBE_DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
NODE_LOCAL_DNS = Pod("kube-system", {"k8s-app": "node-local-dns"})
OPENSHIFT_DNS = Pod("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"})
PROMETHEUS = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
ALLOWED: dict[str, tuple[Peer, int]] = {
    "the cluster's DNS": (KUBE_DNS, 53),
    "NodeLocal DNSCache of Cilium and of GKE's Dataplane V2": (NODE_LOCAL_DNS, 53),
    "NodeLocal DNSCache of GKE": ("169.254.20.10", 53),
    "NodeLocal DNSCache of kubespray": ("169.254.25.10", 53),
    "NodeLocal DNSCache at the address of the Service": ("10.96.0.10", 53),
    "Cloud DNS for GKE": ("169.254.169.254", 53),
    "a cache on a node with IPv6": ("fd00::10", 53),
}
REFUSED: dict[str, tuple[Peer, int]] = {
    "another pod of kube-system": (Pod("kube-system", {"k8s-app": "metrics-server"}), 53),
    "a pod in another namespace with the labels of the DNS": (Pod("default", {"k8s-app": "kube-dns"}), 53),
    "the DNS pods on another port": (KUBE_DNS, 9153),
    "a public name server": ("8.8.8.8", 53),
    "the metadata server of the cloud": ("169.254.169.254", 80),
    "a host of the company": ("10.1.2.3", 443),
    "a host of the company with IPv6": ("fd00::1", 443),
}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Return whether a label selector selects an object with these labels."""
    assert all(each["operator"] == "In" for each in selector.get("matchExpressions", []))
    listed = all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))
    return listed and selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(peer: dict[str, Any], to: Peer) -> bool:
    """Return whether a peer of a rule includes this pod or address."""
    if isinstance(to, Pod):
        namespace = {"kubernetes.io/metadata.name": to.namespace}
        spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
        return spaces is not None and selects(spaces, namespace) and selects(pods or {}, to.labels)
    if "ipBlock" not in peer:
        return False
    address, block = ipaddress.ip_address(to), peer["ipBlock"]
    inside = address in ipaddress.ip_network(block["cidr"])
    return inside and not any(address in ipaddress.ip_network(each) for each in block.get("except", []))


def allows(rules: list[Rule], to: Peer, port: int, protocol: str) -> bool:
    """Return whether the rules allow traffic to this peer, port and protocol."""
    return any(
        {"port": port, "protocol": protocol} in [{"protocol": "TCP", **each} for each in rule["ports"]]
        and any(is_peer(peer, to) for peer in rule["to"])
        for rule in rules
    )


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    found: list[Rule] = kustomize(FOLDER / "base")["NetworkPolicy"]["spec"]["egress"]
    return found


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("name", ALLOWED)
def test_names_are_resolved(rules: list[Rule], name: str, protocol: str) -> None:
    """The exporter reaches the DNS of each kind of cluster by UDP and, for long responses, by TCP."""
    to, port = ALLOWED[name]
    assert allows(rules, to, port, protocol)


def test_cloudflare_is_reached(rules: list[Rule]) -> None:
    """The exporter reaches public IPv4 and IPv6 addresses by HTTPS."""
    assert allows(rules, "104.16.132.229", 443, "TCP")
    assert allows(rules, "2606:4700::6810:84e5", 443, "TCP")


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_is_reached(rules: list[Rule], name: str, protocol: str) -> None:
    """The exporter reaches no other pod, no private address except for DNS, and no public name server."""
    to, port = REFUSED[name]
    assert not allows(rules, to, port, protocol)


@pytest.mark.parametrize("overlay", ["base", "sharded"])
def test_openshift_resolves_names(overlay: str, rules: list[Rule], tmp_path: Path) -> None:
    """The component for OpenShift also lets the exporter reach OpenShift's DNS pods on port 5353, and nothing else."""
    more = by_kind(combined(tmp_path, overlay, [OPENSHIFT]))["NetworkPolicy"]["spec"]["egress"]
    assert more[:-1] == rules
    for protocol in ("UDP", "TCP"):
        assert allows(more, OPENSHIFT_DNS, 5353, protocol)
        assert not allows(rules, OPENSHIFT_DNS, 5353, protocol)
        assert not allows(more, PROMETHEUS, 5353, protocol)
