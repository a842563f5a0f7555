"""Makes the package's README: PyPI has no folder that a relative link could lead into."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)(\[[^]]*\])\((?!https?:)([^)]+)\)")


class Readme(MetadataHookInterface):
    """Lets each relative link lead to the file of this release on the project's home page."""

    def update(self, metadata: dict[str, object]) -> None:
        """Set the field `readme`."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        urls, version = metadata["urls"], metadata["version"]
        assert isinstance(urls, dict)  # noqa: S101 – [project.urls] is a table

        def absolute(link: re.Match[str]) -> str:
            image, words, target = link.groups()
            target = f"README.md{target}" if target.startswith("#") else target  # PyPI has no anchors
            return f"{image}{words}({urls['Homepage']}/{'raw' if image else 'blob'}/v{version}/{target})"

        metadata["readme"] = {"content-type": "text/markdown", "text": LINK.sub(absolute, text)}
