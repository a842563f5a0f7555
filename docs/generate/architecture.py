"""docs/architecture.md and its picture: the parts of the package, their purposes and their imports.

The parts have the order of the layers in pyproject.toml, which import-linter checks.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.documents import replaced
from docs.generate import architecture_drawing
from docs.generate.markdown import code, table

_ROOT = Path(__file__).resolve().parent.parent.parent
_PACKAGE = _ROOT / "access_exporter"


@dataclass(frozen=True)
class Part:
    """A folder of the package, or all files of a layer."""

    names: tuple[str, ...]
    text: str  # the first line of its docstring
    is_folder: bool
    imports: frozenset[str]

    @property
    def title(self) -> str:
        """Return the names of the folder or files on the disk."""
        return f"{self.names[0]}/" if self.is_folder else ", ".join(f"{name}.py" for name in self.names)


def update(document: str) -> str:
    """Return docs/architecture.md with an updated table."""
    rows = ((", ".join(map(code, part.title.split(", "))), part.text) for part in parts())
    return replaced(document, "parts", table(("In `access_exporter/`", "What it does"), rows))


def draw(_: str) -> str:
    """Return the picture of the parts."""
    return architecture_drawing.draw(parts())


def parts() -> list[Part]:
    """Return the parts of the package, from the highest layer to the lowest."""
    return [part for layer in _layers() for part in _of_layer(layer)]


def _layers() -> Iterator[list[str]]:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    for layer in contract["layers"]:
        yield [name.strip() for name in layer.split(":")]


def _of_layer(layer: list[str]) -> Iterator[Part]:
    for name in layer:
        if (_PACKAGE / name).is_dir():
            files = sorted((_PACKAGE / name).rglob("*.py"))
            yield Part((name,), _first_line(_PACKAGE / name / "__init__.py"), is_folder=True, imports=_imports(files))
    files = [_PACKAGE / f"{name}.py" for name in layer if not (_PACKAGE / name).is_dir()]
    if len(files) == 1:
        yield Part((files[0].stem,), _first_line(files[0]), is_folder=False, imports=_imports(files))
    elif files:
        text = "Small helpers, each for several folders."
        yield Part(tuple(sorted(path.stem for path in files)), text, is_folder=False, imports=_imports(files))


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _imports(files: list[Path]) -> frozenset[str]:
    """Return the folders and top-level files that these files import."""
    found: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "access_exporter":
                found.update(name.name for name in node.names if not name.name.startswith("__"))
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("access_exporter."):
                found.add((node.module or "").split(".")[1])
    return frozenset(found)
