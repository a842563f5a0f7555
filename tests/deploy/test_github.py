"""What GitHub reads: workflows, Dependabot, issue forms; and pre-commit."""

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
def test_every_file_is_as_its_schema_says(schema: str) -> None:
    """GitHub knows every key of every file."""
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
    """Actionlint knows every expression, and what every step gets and gives."""
    command: list[str | Path] = [program("actionlint"), "-no-color", "-shellcheck=", "-pyflakes=", *WORKFLOWS]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_zizmor_finds_nothing() -> None:
    """Zizmor knows how workflows and updates are attacked; it is not allowed to ask GitHub."""
    command = [program("zizmor"), "--offline", "--no-progress", "--color=never", str(GITHUB)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(workflow: Path) -> None:
    """Every action is the commit of a release that a comment names; the same action is the same commit everywhere."""
    used = re.findall(r"uses: *(.*)", workflow.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    everywhere = {line for path in WORKFLOWS for line in re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))}
    assert len({action.split("@")[0] for action in everywhere}) == len(everywhere)


def test_updates_wait_for_a_week() -> None:
    """Dependabot proposes nothing that is younger, of whatever kind."""
    updates = loaded(GITHUB / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} >= {"pip", "npm", "docker", "github-actions"}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)


def test_workflows_run_targets_that_exist() -> None:
    """Every `make` of the workflows and of pre-commit is a target of the Makefile."""
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8")))
    commands = [step.get("run", "") for workflow in WORKFLOWS for step in steps(workflow)]
    commands += [hook["entry"] for hook in loaded(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]]
    made = {target for command in commands for target in re.findall(r"make ([a-z-]+)", command)}
    assert {"lint", "test", "test-faults", "test-deploy", "wheel", "sbom", "audit"} <= made <= targets


def test_workflows_test_every_python_that_is_supported() -> None:
    """The versions of the matrix are those that the package names."""
    matrix = loaded(GITHUB / "workflows" / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert matrix == named


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_rights(workflow: Path) -> None:
    """A workflow may read, a job asks for more by name, no checkout leaves a token, and no script holds an input."""
    assert loaded(workflow)["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "an expression in a script is code: pass it by `env`"


def test_release_carries_sbom_and_provenance() -> None:
    """The image is built with both, and both are pushed with it."""
    (build,) = (
        step["with"]
        for step in steps(GITHUB / "workflows" / "release.yaml")
        if step.get("uses", "").startswith("docker/build-push-action@")
    )
    assert (build["push"], build["sbom"], build["provenance"]) == (True, True, "mode=max")


@pytest.fixture
def resolved(tmp_path: Path) -> Callable[[str], str]:
    """Runs the step of the release that looks for the digest of the base image, on a registry that answers this."""
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
    """The base image is the tag of the Dockerfile with the digest it has now, and the build gets exactly that."""
    (tag,) = re.findall(r"(?m)^ARG PYTHON_IMAGE=(.*)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    digest = f"sha256:{'0123456789abcdef' * 4}"
    assert resolved(digest) == f"image={tag}@{digest}\n"
    (build,) = (step["with"] for step in steps(GITHUB / "workflows" / "release.yaml") if step.get("id") == "build")
    assert "PYTHON_IMAGE=${{ steps.base.outputs.image }}" in build["build-args"].splitlines()


@pytest.mark.parametrize("answer", ["", "<no value>", "sha256:0123", f"sha256:{'0' * 64} and more"])
def test_release_is_not_built_without_a_digest(resolved: Callable[[str], str], answer: str) -> None:
    """Where the registry names no digest, the release ends."""
    assert resolved(answer) == ""


def test_every_stage_is_built_on_the_same_base() -> None:
    """No stage of the image has another base than the argument, and the image says which it is."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"(?m)^FROM (\S+)", dockerfile)
    assert set(bases) == {"${PYTHON_IMAGE}"}
    last = dockerfile.rpartition("\nFROM ")[2]
    assert "\nARG PYTHON_IMAGE\n" in last
    assert 'org.opencontainers.image.base.name="${PYTHON_IMAGE}"' in last


def test_bug_reports_are_asked_to_hold_no_secret() -> None:
    """The form for bugs says what must not be pasted, and asks to confirm it."""
    form = loaded(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")
    assert "no token" in form["body"][0]["attributes"]["value"]
    (confirmed,) = (field for field in form["body"] if field["type"] == "checkboxes")
    assert all(option["required"] for option in confirmed["attributes"]["options"])
