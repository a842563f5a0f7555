"""The files for PyPI: a wheel without tests, a source distribution with them, and a README with working links."""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from access_exporter import __version__
from tests.processes import ROOT

NAME = f"cloudflare_access_exporter-{__version__}"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", f"--outdir={folder}", str(ROOT)]
    subprocess.run(command, capture_output=True, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def metadata(dist: Path) -> Message:
    """The metadata that PyPI shows."""
    with zipfile.ZipFile(dist / f"{NAME}-py3-none-any.whl") as wheel:
        return email.message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))


def test_the_wheel_has_only_the_package(dist: Path) -> None:
    """The wheel installs the package with its type information, and nothing else."""
    with zipfile.ZipFile(dist / f"{NAME}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {"access_exporter", f"{NAME}.dist-info"}
    assert {"access_exporter/py.typed", "access_exporter/cli.py", f"{NAME}.dist-info/licenses/LICENSE"} < set(names)


def test_the_sdist_has_what_its_tests_need(dist: Path) -> None:
    """The source distribution has every file of the repository, but no cache and no virtual environment."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    with tarfile.open(dist / f"{NAME}.tar.gz") as sdist:
        names = {name.removeprefix(f"{NAME}/") for name in sdist.getnames()}
    links = {name for name in tracked.stdout.split("\0") if name and (ROOT / name).is_symlink()}
    assert {name for name in tracked.stdout.split("\0") if name} - links <= names
    for link in links:  # a link to a folder is replaced by the files of that folder
        assert {f"{link}/{file.name}" for file in (ROOT / link).iterdir()} <= names
    assert not [name for name in names if re.search(r"__pycache__|node_modules|^\.venv", name)]


def test_links_of_the_readme_work_elsewhere(metadata: Message) -> None:
    """Every relative link and picture of the README becomes a link to this release on the project's home page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = re.findall(r"\]\((?!https?:)([^)]+)\)", readme)
    assert relative
    assert all((ROOT / target.partition("#")[0]).exists() for target in relative)
    shown = str(metadata.get_payload())
    assert re.findall(r"\]\((?!https?:)([^)]+)\)", shown) == []
    (home,) = (url.partition(", ")[2] for url in metadata.get_all("Project-URL", []) if url.startswith("Homepage, "))
    for target in [f"README.md{each}" if each.startswith("#") else each for each in relative]:
        assert re.search(rf"\]\({home}/(blob|raw)/v{re.escape(__version__)}/{re.escape(target)}\)", shown), target


def test_the_links_of_the_project(metadata: Message) -> None:
    """PyPI links to the home page, documentation, changelog, issues and security policy."""
    named = [url.partition(",")[0] for url in metadata.get_all("Project-URL", [])]
    assert set(named) == {"Homepage", "Documentation", "Changelog", "Issues", "Security"}


def test_h11_versions_with_a_vulnerability_are_excluded(metadata: Message) -> None:
    """The package requires h11 0.16 or later, because earlier versions accept malformed chunks (CVE-2025-43859)."""
    assert "h11>=0.16" in metadata.get_all("Requires-Dist", [])
