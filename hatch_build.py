"""Makes the README for PyPI. Relative links do not work there, because PyPI has only this one file."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)(\[[^]]*\])\((?!https?:)([^)]+)\)")


class Readme(MetadataHookInterface):
    """Turns each relative link into a link to the file of this release on the project's page."""

    def update(self, metadata: dict[str, object]) -> None:
        """Set the field `readme` of the package."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        urls, version = metadata["urls"], metadata["version"]
        assert isinstance(urls, dict)  # noqa: S101 – [project.urls] is always a table

        def absolute(link: re.Match[str]) -> str:
            image, words, target = link.groups()
            target = f"README.md{target}" if target.startswith("#") else target  # anchors do not work on PyPI
            return f"{image}{words}({urls['Homepage']}/{'raw' if image else 'blob'}/v{version}/{target})"

        metadata["readme"] = {"content-type": "text/markdown", "text": LINK.sub(absolute, text)}
