"""What GitHub reads: workflows, Dependabot, issue forms; and pre-commit."""

import re
import subprocess
import sys
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


def test_bug_reports_are_asked_to_hold_no_secret() -> None:
    """The form for bugs says what must not be pasted, and asks to confirm it."""
    form = loaded(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")
    assert "no token" in form["body"][0]["attributes"]["value"]
    (confirmed,) = (field for field in form["body"] if field["type"] == "checkboxes")
    assert all(option["required"] for option in confirmed["attributes"]["options"])
