"""The files for GitHub (workflows, Dependabot, issue forms) and for pre-commit."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.programs import program
from tests.processes import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "dependabot": [GITHUB / "dependabot.yml"],
    "github-issue-forms": FORMS,
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
}


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(workflow)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_file_matches_its_schema(schema: str) -> None:
    """Each file is valid by GitHub's JSON schema, so GitHub knows all its keys."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "check_jsonschema",
        f"--builtin-schema=vendor.{schema}",
        *SCHEMAS[schema],
    ]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_actionlint_finds_nothing() -> None:
    """Actionlint reports no problem, such as an unknown expression, input or output of a step."""
    command: list[str | Path] = [program("actionlint"), "-no-color", "-shellcheck=", "-pyflakes=", *WORKFLOWS]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_zizmor_finds_nothing() -> None:
    """Zizmor finds no security problem in the workflows and in Dependabot's configuration; it runs offline."""
    command = [program("zizmor"), "--offline", "--no-progress", "--color=never", str(GITHUB)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(workflow: Path) -> None:
    """Each action is pinned to a commit, a comment names its release, and all workflows use the same commit."""
    used = re.findall(r"uses: *(.*)", workflow.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    everywhere = {line for path in WORKFLOWS for line in re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))}
    assert len({action.split("@")[0] for action in everywhere}) == len(everywhere)


def test_updates_wait_for_a_week() -> None:
    """Dependabot proposes an update only when the new release is at least 7 days old."""
    updates = loaded(GITHUB / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} >= {"pip", "npm", "docker", "github-actions"}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)


def test_workflows_run_targets_that_exist() -> None:
    """The Makefile has every target that the workflows and pre-commit run."""
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8")))
    commands = [step.get("run", "") for workflow in WORKFLOWS for step in steps(workflow)]
    commands += [hook["entry"] for hook in loaded(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]]
    made = {target for command in commands for target in re.findall(r"make ([a-z-]+)", command)}
    assert {"lint", "test", "test-faults", "test-deploy", "wheel", "sbom", "audit"} <= made <= targets


def test_workflows_test_every_supported_python() -> None:
    """The CI workflow tests every Python version that pyproject.toml lists."""
    matrix = loaded(GITHUB / "workflows" / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert matrix == named


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_permissions(workflow: Path) -> None:
    """A workflow can only read, a checkout keeps no token, and a script contains no `${{ }}` expression."""
    assert loaded(workflow)["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "an expression in a script can inject code: pass it by `env`"


def test_release_has_sbom_and_provenance() -> None:
    """The release workflow pushes the image with an SBOM and a provenance attestation."""
    (build,) = (
        step["with"]
        for step in steps(GITHUB / "workflows" / "release.yaml")
        if step.get("uses", "").startswith("docker/build-push-action@")
    )
    assert (build["push"], build["sbom"], build["provenance"]) == (True, True, "mode=max")


@pytest.fixture
def resolved(tmp_path: Path) -> Callable[[str], str]:
    """A function that runs the release's step for the digest of the base image, with this answer of the registry."""
    (step,) = (step for step in steps(GITHUB / "workflows" / "release.yaml") if step.get("id") == "base")

    def resolve(answer: str) -> str:
        docker, output = tmp_path / "docker", tmp_path / "output"
        docker.write_text(f'#!/bin/sh\n[ "$1 $2 $3" = "buildx imagetools inspect" ] && printf "%s\\n" "{answer}"\n')
        docker.chmod(0o755)
        output.write_text("")
        environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(output)}
        subprocess.run(["bash", "-e", "-c", step["run"]], cwd=ROOT, env=environ, capture_output=True, check=False)
        return output.read_text()

    return resolve


def test_release_is_built_on_a_digest(resolved: Callable[[str], str]) -> None:
    """The release builds on the tag of the Dockerfile with the current digest of that tag."""
    (tag,) = re.findall(r"(?m)^ARG PYTHON_IMAGE=(.*)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    digest = f"sha256:{'0123456789abcdef' * 4}"
    assert resolved(digest) == f"image={tag}@{digest}\n"
    (build,) = (step["with"] for step in steps(GITHUB / "workflows" / "release.yaml") if step.get("id") == "build")
    assert "PYTHON_IMAGE=${{ steps.base.outputs.image }}" in build["build-args"].splitlines()


@pytest.mark.parametrize("answer", ["", "<no value>", "sha256:0123", f"sha256:{'0' * 64} and more"])
def test_release_is_not_built_without_a_digest(resolved: Callable[[str], str], answer: str) -> None:
    """The release fails if the registry returns no valid digest."""
    assert resolved(answer) == ""


def test_every_stage_is_built_on_the_same_base() -> None:
    """Every stage of the image uses the base image of the build argument, and a label of the image names it."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"(?m)^FROM (\S+)", dockerfile)
    assert set(bases) == {"${PYTHON_IMAGE}"}
    last = dockerfile.rpartition("\nFROM ")[2]
    assert "\nARG PYTHON_IMAGE\n" in last
    assert 'org.opencontainers.image.base.name="${PYTHON_IMAGE}"' in last


def test_the_bug_form_warns_of_secrets() -> None:
    """The bug form says that a report must not contain a token, and requires a confirmation."""
    form = loaded(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")
    assert "no token" in form["body"][0]["attributes"]["value"]
    (confirmed,) = (field for field in form["body"] if field["type"] == "checkboxes")
    assert all(option["required"] for option in confirmed["attributes"]["options"])
