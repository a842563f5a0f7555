"""Generates the reference documents from the code: `make docs`, or python -m docs.generate.

One function for each document returns its new text.
"""

from collections.abc import Callable
from pathlib import Path

from docs.generate import architecture, config_file, configuration, flags, metrics

ROOT = Path(__file__).resolve().parent.parent.parent
# Each function takes the current text of the document, because most of the text stays.
REFERENCES: dict[str, Callable[[str], str]] = {
    "docs/flags.md": flags.update,
    "docs/configuration.md": configuration.update,
    "config.yaml": config_file.update,
    "docs/metrics.md": metrics.update,
    "docs/architecture.md": architecture.update,
    "docs/architecture.svg": architecture.draw,
}
