"""Kubernetes manifests: kustomize builds them; the schemas of Kubernetes and the Prometheus operator validate them."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]  # the package has no types
import pytest
import yaml

from tests.deploy.files import DEPLOY
from tests.deploy.programs import GET, find, program

FOLDER = DEPLOY / "kubernetes"
Manifest: TypeAlias = dict[str, Any]
Manifests: TypeAlias = dict[str, Manifest]
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|[smhdwy]))+$"}
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def fields(*required: str, **named: Any) -> dict[str, Any]:
    """Return the schema of an object that may have these fields and no others."""
    return {"type": "object", "properties": named, "required": list(required), "additionalProperties": False}


def several(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


# The subset of https://prometheus-operator.dev/docs/api-reference/api/ that our manifests may use.
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
RELABELING = fields(
    sourceLabels=several(TEXT), separator=TEXT, targetLabel=TEXT, regex=TEXT, replacement=TEXT, action=TEXT
)
KEY = fields("name", "key", name=TEXT, key=TEXT)
IN_A_SECRET = fields("secret", secret=KEY)
ENDPOINT = fields(
    port=TEXT,
    path=TEXT,
    scheme={"enum": ["http", "https"]},
    interval=DURATION,
    scrapeTimeout=DURATION,
    honorLabels={"type": "boolean"},
    basicAuth=fields(username=KEY, password=KEY),
    tlsConfig=fields(ca=IN_A_SECRET, cert=IN_A_SECRET, keySecret=KEY, serverName=TEXT),
    relabelings=several(RELABELING),
    metricRelabelings=several(RELABELING),
)
RULE = fields(
    "expr",
    alert=TEXT,
    record=TEXT,
    expr={"type": ["string", "integer"]},
    **{"for": DURATION},
    keep_firing_for=DURATION,
    labels=STRINGS,
    annotations=STRINGS,
)
SPECS = {
    "ServiceMonitor": fields(
        "selector",
        "endpoints",
        selector=fields(matchLabels=STRINGS),
        endpoints=several(ENDPOINT),
        jobLabel=TEXT,
        targetLabels=several(TEXT),
        podTargetLabels=several(TEXT),
        sampleLimit=NUMBER,
    ),
    "PrometheusRule": fields(
        groups=several(fields("name", name=TEXT, interval=DURATION, limit=NUMBER, labels=STRINGS, rules=several(RULE)))
    ),
}
# The kustomize in the kubectl of Debian 12 is too old for some fields, and fails with one of these messages.
TOO_OLD = re.compile(r'unknown field "labels"|cannot unmarshal object .* of type patch.StrategicMerge')
OLDEST = "1.29"
_KNOWN = [version.rpartition(".")[0] for version in dict.fromkeys(kubernetes_validate.utils.all_versions())]
VERSIONS = _KNOWN[_KNOWN.index(OLDEST) :]


def built(folder: Path) -> list[Manifest]:
    """Build a kustomization; return its objects."""
    command = [found, "build"] if (found := find("kustomize")) else [program("kubectl"), "kustomize"]
    ended = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
    if TOO_OLD.search(ended.stderr):
        pytest.skip(f"kubectl is older than 1.22: {GET['kubectl']}")
    assert (ended.returncode, ended.stderr) == (0, "")
    return parsed(ended.stdout)


def parsed(text: str) -> list[Manifest]:
    """Return the objects in a YAML text, parsed by libyaml if PyYAML has it, because that is faster."""
    return list(yaml.load_all(text, _LOADER))


def combined(folder: Path, overlay: str, components: Sequence[str] = (), **more: Any) -> list[Manifest]:
    """Write a kustomization of an overlay and components into this folder, and build it.

    The components are paths below deploy/.
    """
    deploy = os.path.relpath(DEPLOY, folder.resolve())
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{deploy}/kubernetes/{overlay}"],
        "components": [f"{deploy}/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization | more), encoding="utf-8")
    return built(folder)


def kustomize(folder: Path) -> Manifests:
    """Build a kustomization with one object of each kind; return the objects by kind."""
    return by_kind(built(folder))


def by_kind(objects: list[Manifest]) -> Manifests:
    """Return objects by kind; fail if two objects have the same kind."""
    assert len({each["kind"] for each in objects}) == len(objects)
    return {each["kind"]: each for each in objects}


def workload(manifests: Manifests) -> Manifest:
    """Return the only Deployment or StatefulSet."""
    (kind,) = manifests.keys() & {"Deployment", "StatefulSet"}
    return manifests[kind]


def pod(manifests: Manifests) -> dict[str, Any]:
    """Return the pod specification of the workload."""
    spec: dict[str, Any] = workload(manifests)["spec"]["template"]["spec"]
    return spec


def validate(manifest: Manifest) -> None:
    """Fail if an object has a field that a version of Kubernetes, or the Prometheus operator, does not know."""
    _validate_once(json.dumps(manifest))


@cache
def _validate_once(text: str) -> None:
    manifest = json.loads(text)
    if manifest["kind"] in SPECS:
        assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
        jsonschema.validate(manifest["spec"], SPECS[manifest["kind"]])
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)
