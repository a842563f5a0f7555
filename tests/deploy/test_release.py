"""A version tag publishes a release, and a tag that does not match the version publishes nothing."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from access_exporter import __version__
from deploy.release import notes
from tests.processes import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "release.yaml"
FILES = {
    "access_exporter/__init__.py": '__version__ = "1.2.3"\n',
    "deploy/helm/exporter/Chart.yaml": 'apiVersion: v2\nversion: 1.2.3\nappVersion: "1.2.3"\n',
    "CHANGELOG.md": (
        "# Changelog\n\n## Unreleased\n\n- Later.\n\n"
        "## 1.2.3 - 2026-11-28\n\n### Added\n\n- It.\n\n## 1.2.2 - 2026-01-01\n\n- Old.\n"
    ),
}


def project(folder: Path, changed: str = "", old: str = "", new: str = "") -> Path:
    """Write a project with version 1.2.3, and replace a text in one of its files."""
    for place, text in FILES.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(old, new) if place == changed else text, encoding="utf-8")
    return folder


def jobs() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    return read


def text(job: str) -> str:
    return str(jobs()[job]["steps"])


def test_notes_are_the_section_of_the_version(tmp_path: Path) -> None:
    """The release notes are the section of CHANGELOG.md about this version, without other versions."""
    assert notes("v1.2.3", project(tmp_path)) == "### Added\n\n- It.\n"


def test_this_version_can_be_released() -> None:
    """The package, the chart and CHANGELOG.md have the same version."""
    assert notes(f"v{__version__}")


@pytest.mark.parametrize(
    ("changed", "old", "new", "named"),
    [
        ("access_exporter/__init__.py", "1.2.3", "1.2.4", "access_exporter/__init__.py (version) has 1.2.4"),
        ("deploy/helm/exporter/Chart.yaml", "\nversion: 1.2.3", "\nversion: 1.2.2", "Chart.yaml (version) has 1.2.2"),
        ("deploy/helm/exporter/Chart.yaml", '"1.2.3"', '"1.2.30"', "Chart.yaml (appVersion) has 1.2.30"),
        ("CHANGELOG.md", "1.2.3 -", "1.2.4 -", "CHANGELOG.md has no text"),
        ("CHANGELOG.md", "1.2.3 - 2026-11-28", "1.2.3", "CHANGELOG.md has no text"),
        ("CHANGELOG.md", "\n### Added\n\n- It.\n", "", "CHANGELOG.md has no text"),
        ("CHANGELOG.md", "1.2.3", "1x2x3", "CHANGELOG.md has no text"),
    ],
)
def test_a_version_that_differs_stops_the_release(tmp_path: Path, changed: str, old: str, new: str, named: str) -> None:
    """A different version in a file, or a missing or empty section of CHANGELOG.md, stops the release."""
    with pytest.raises(ValueError, match=re.escape(named)):
        notes("v1.2.3", project(tmp_path, changed, old, new))


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-rc1", "V1.2.3", "vv1.2.3", ""])
def test_other_tags_release_nothing(tmp_path: Path, tag: str) -> None:
    """Any tag other than `v` and the version is an error."""
    with pytest.raises(ValueError, match="the tag is "):
        notes(tag, project(tmp_path))


def test_the_command_says_why_in_one_line() -> None:
    """After an error, the release command prints one line without a traceback, and exits with status 1."""
    command = [sys.executable, "deploy/release.py", "v0.0.0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"release: the tag is v0.0.0, but access_exporter/__init__.py (version) has {__version__}\n"


def test_nothing_is_published_before_the_tag_is_checked() -> None:
    """Every other job depends on the job that checks the tag, and that job has no write permission."""
    first = jobs()["files"]
    assert "deploy/release.py" in text("files")
    assert "permissions" not in first
    assert "needs" not in first
    assert all("files" in job["needs"] for name, job in jobs().items() if name != "files")


def test_a_release_has_every_part() -> None:
    """The workflow builds, signs and publishes the image, wheel, sdist, chart and SBOM."""
    assert all(f"make {target}" in text("files") for target in ("wheel", "sbom", "chart"))
    assert text("image").count("actions/attest-build-provenance@") == 1
    publish = text("publish")
    assert "'subject-path': 'dist/*'" in publish
    assert all(command in publish for command in ("make publish", "helm push dist/*.tgz", "gh release create"))
    assert "password" not in publish.replace("--password-stdin", ""), "PyPI trusts the workflow without a password"
