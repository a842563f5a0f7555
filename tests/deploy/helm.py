"""The Helm chart, rendered by the real helm."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.files import DEPLOY
from tests.deploy.manifests import Manifest, parsed
from tests.deploy.programs import program

CHART = DEPLOY / "helm" / "cloudflare-access-exporter"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
ID = "023e105f4ecef8ad9ca31a8372d0c353"
NAME = "cloudflare-access-exporter"
LINKED = "found symbolic link in path"  # helm prints this on stderr, because the chart links to the dashboards


def helm(*arguments: str | Path, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, and pass the values on standard input."""
    given = ("--values", "-") if values is not None else ()
    return subprocess.run(
        [program("helm"), *arguments, *given],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rendered(*arguments: str | Path, values: dict[str, Any] | None = None, chart: Path = CHART) -> list[Manifest]:
    """Return the Kubernetes objects of a release that has the name of the chart."""
    ended = helm("template", NAME, chart, "--namespace", "access", *arguments, values=values)
    assert ended.returncode == 0, ended.stderr
    return parsed(ended.stdout)


def refused(values: dict[str, Any]) -> str:
    """Return helm's error message for invalid values."""
    ended = helm("template", NAME, CHART, values=values)
    assert (ended.returncode, ended.stdout) == (1, "")
    return "\n".join(line for line in ended.stderr.splitlines() if LINKED not in line)


def notes(values: dict[str, Any], folder: Path) -> str:
    """Return the notes that helm prints after an install.

    `helm template` leaves the notes out. So a copy of the chart renders them as an object, which needs no cluster.
    """
    copy = shutil.copytree(CHART, folder / "chart")
    text = (copy / "templates" / "NOTES.txt").read_text("utf-8")
    (copy / "templates" / "_notes.tpl").write_text(f'{{{{ define "notes" }}}}{text}{{{{ end }}}}', encoding="utf-8")
    wrapped = 'kind: Notes\ntext: {{ include "notes" . | toJson }}\n'
    (copy / "templates" / "notes.yaml").write_text(wrapped, encoding="utf-8")
    (found,) = (each for each in rendered(values=values, chart=copy) if each["kind"] == "Notes")
    return str(found["text"])


def only(objects: list[Manifest], kind: str, ending: str = "") -> Manifest:
    """Return the only object of this kind with a name that has this ending."""
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(ending))
    return found


def workload(objects: list[Manifest]) -> Manifest:
    """Return the Deployment or StatefulSet."""
    (found,) = (each for each in objects if each["kind"] in ("Deployment", "StatefulSet"))
    return found


def container(objects: list[Manifest]) -> dict[str, Any]:
    """Return the container of the exporter."""
    (found,) = workload(objects)["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def pods(objects: list[Manifest]) -> Iterator[dict[str, Any]]:
    """Yield the specifications of the exporter's pod and of the pod that `helm test` starts."""
    yield workload(objects)["spec"]["template"]["spec"]
    yield only(objects, "Pod")["spec"]
