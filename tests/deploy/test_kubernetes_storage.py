"""The storage of the exporter on Kubernetes: each exporter has a persistent volume that its user can write to."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from access_exporter import options
from access_exporter.simulator.account import TOKEN
from tests.deploy.manifests import FOLDER, Manifests, by_kind, combined, kustomize, pod, workload
from tests.processes import ROOT, exporter
from tests.reloads import cloudflare

EPHEMERAL = "kubernetes/components/ephemeral-storage"
CONFIG = "api: {{url: '{url}'}}\naccounts: [{{id: first, api_token: {token}, devices: false}}]\n"
SEATS = 'cloudflare_access_seats_used{account_id="first"} 5.0'


def storage_mount(manifests: Manifests) -> str:
    """Return the name of the volume that is mounted at `--storage.path`."""
    (container,) = pod(manifests)["containers"]
    path = options.parse(container["args"]).storage_path
    (name,) = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == path]
    return str(name)


def volumes(manifests: Manifests) -> dict[str, Any]:
    """Return the volumes of the pod by name."""
    return {each["name"]: each for each in pod(manifests)["volumes"]}


def test_base_has_a_persistent_volume() -> None:
    """The base stores data on a ReadWriteOnce volume claim, and the old pod stops before the new pod starts."""
    manifests = kustomize(FOLDER / "base")
    claim = volumes(manifests)[storage_mount(manifests)]["persistentVolumeClaim"]
    assert claim == {"claimName": manifests["PersistentVolumeClaim"]["metadata"]["name"]}
    assert manifests["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert "storageClassName" not in manifests["PersistentVolumeClaim"]["spec"], "the cluster's default class applies"
    assert workload(manifests)["spec"]["strategy"] == {"type": "Recreate"}


def test_each_shard_has_a_volume_of_its_own() -> None:
    """Each shard gets its own volume claim from a template."""
    manifests = kustomize(FOLDER / "sharded")
    (template,) = workload(manifests)["spec"]["volumeClaimTemplates"]
    assert template["metadata"]["name"] == storage_mount(manifests) not in volumes(manifests)
    assert template["spec"] == kustomize(FOLDER / "base")["PersistentVolumeClaim"]["spec"]
    assert "PersistentVolumeClaim" not in manifests


@pytest.mark.parametrize("overlay", ["base", "sharded"])
def test_ephemeral_storage_needs_no_claim(overlay: str, tmp_path: Path) -> None:
    """With the component ephemeral-storage, the pod has an emptyDir with a size limit instead of a volume claim."""
    manifests = by_kind(combined(tmp_path, overlay, [EPHEMERAL]))
    assert volumes(manifests)[storage_mount(manifests)].keys() == {"name", "emptyDir"}
    assert volumes(manifests)[storage_mount(manifests)]["emptyDir"].keys() == {"sizeLimit"}
    assert "PersistentVolumeClaim" not in manifests
    assert "volumeClaimTemplates" not in workload(manifests)["spec"]


@pytest.fixture
def volume() -> Iterator[Path]:
    """A new volume that root owns, in a folder that every user can open."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "volume"
        path.mkdir(mode=0o755)
        yield path


def mount(volume: Path, group: int) -> None:
    """Give a group write access to a volume, as the kubelet does for `fsGroup` when it mounts a volume."""
    for path in (volume, *volume.rglob("*")):
        os.chown(path, -1, group)
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (0o2770 if path.is_dir() else 0o660))


def as_pod(user: int, group: int, fs_group: int) -> list[str]:
    """Return the start of a command line that runs a program with a pod's user and group IDs, without capabilities."""
    ids = (f"--reuid={user}", f"--regid={group}", f"--groups={fs_group}")
    return ["setpriv", *ids, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def ids_of_base() -> tuple[int, int, int]:
    context = pod(kustomize(FOLDER / "base"))["securityContext"]
    return context["runAsUser"], context["runAsGroup"], context["fsGroup"]


@pytest.mark.parametrize("where", ["base", "OpenShift"])
def test_stored_data_survives_the_pod(where: str, volume: Path) -> None:
    """Only the pod's user can read the stored data, and the next pod exports the data while Cloudflare is down."""
    ids = ids_of_base() if where == "base" else (1000660000, 0, 1000660000)  # typical IDs of the SCC restricted-v2
    locked = as_pod(*ids)
    probe = [*locked, sys.executable, "-c", "import access_exporter.app"] if shutil.which("setpriv") else ["false"]
    if os.getuid() != 0 or subprocess.run(probe, cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("needs root, setpriv, and code that every user can read")
    config = volume.parent / "config.yaml"
    flags = (f"--config.file={config}", f"--storage.path={volume}")
    without_coverage = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}  # coverage would write a file
    with cloudflare("first") as server:
        config.write_text(CONFIG.format(url=server.url, token=TOKEN), encoding="utf-8")
        mount(volume, ids[2])
        with exporter(*flags, environ=without_coverage, locked_by=locked) as running:
            running.wait_for("poll succeeded", target="users")
    assert {stat.S_IMODE(path.stat().st_mode) & 0o777 for path in volume.iterdir()} == {0o700}
    mount(volume, ids[2])
    with exporter(*flags, environ=without_coverage, locked_by=locked) as running:
        assert SEATS in requests.get(f"{running.url}/metrics", timeout=10).text
    assert {path.stat().st_uid for path in volume.rglob("*")} == {ids[0]}
    assert {stat.S_IMODE(path.stat().st_mode) & 0o777 for path in volume.iterdir()} == {0o700}
