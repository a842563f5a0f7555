"""Checks a tag before anything is published, and prints the release notes: python deploy/release.py v0.1.0.

The tag, the package and the Helm chart must have the same version, and CHANGELOG.md must have a section for it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The files with a version, and the start of the line that has the version.
VERSIONS = (
    ("access_exporter/__init__.py", "__version__ = "),
    ("deploy/helm/*/Chart.yaml", "version: "),
    ("deploy/helm/*/Chart.yaml", "appVersion: "),
)


def notes(tag: str, root: Path = ROOT) -> str:
    """Return the section of CHANGELOG.md about this tag; raises ValueError if a version or the section is wrong."""
    for place, version in versions(root):
        if tag != f"v{version}":
            raise ValueError(f"the tag is {tag}, but {place} has {version}")
    heading = rf"^## {re.escape(tag[1:])} - \d{{4}}-\d\d-\d\d\n"
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no text under a heading such as `## {tag[1:]} - 2026-01-31`")
    return section[1].strip() + "\n"


def versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each place that has a version, and that version."""
    for pattern, start in VERSIONS:
        for file in root.glob(pattern):
            for found in re.findall(rf"^{re.escape(start)}(.*)", file.read_text(encoding="utf-8"), re.MULTILINE):
                yield f"{file.relative_to(root)} ({start.strip(' :=_')})", found.strip("\"' ")


if __name__ == "__main__":
    try:
        sys.stdout.write(notes(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"release: {error}")
