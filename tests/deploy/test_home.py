"""`make home` changes the project's URL in every file that contains it."""

import shutil
import subprocess
from pathlib import Path

from tests.deploy.files import HOMEPAGE
from tests.processes import ROOT

COPY = "https://git.example.com/team/exporter"
NOT_OURS = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "node_modules", "dist", "build")


def texts(folder: Path) -> dict[Path, str]:
    """Return every file that contains the old or the new URL."""
    found = {
        path.relative_to(folder): path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()
    }
    return {path: text for path, text in found.items() if HOMEPAGE in text or COPY in text}


def test_every_link_moves_with_the_project(tmp_path: Path) -> None:
    """After `make home`, no file contains the old URL, and each file that did contains the new URL."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_OURS)
    linked = {path for path, text in texts(copy).items() if HOMEPAGE in text}
    subprocess.run(["make", "home", f"URL={COPY}"], cwd=copy, check=True, capture_output=True)
    moved = texts(copy)
    assert {path for path, text in moved.items() if HOMEPAGE in text} == set()
    assert linked <= {path for path, text in moved.items() if COPY in text}
    assert {Path("pyproject.toml"), Path("deploy/prometheus/alerts.yaml")} < linked
