"""Rules for the layout of the code: small files, short functions, folders with one interface, tests named by module."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT

PACKAGE = ROOT / "access_exporter"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({module.parent for module in MODULES} - {PACKAGE})
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_PARAMETERS, MOST_NAMES = 300, 40, 6, 10
MOST_NODES, MOST_EDGES = 24, 70
REASON = re.compile(r"type: ignore\[[\w, -]+\]\s+# \S|noqa: [A-Z0-9, ]+ – \S")
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if "node_modules" not in path.parts)


def place(module: Path) -> str:
    return str(module.relative_to(ROOT))


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def node(name: str) -> str:
    """Return the folder or top-level file of an import such as `access_exporter.config.model`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "access_exporter"


def imports(module: Path) -> Iterator[str]:
    """Yield what a file imports from the package: modules and, from the `__init__.py` of a folder, names."""
    for found in ast.walk(tree(module)):
        if isinstance(found, ast.ImportFrom) and found.module and node(found.module):
            if found.module == "access_exporter":
                yield from (f"access_exporter.{name.name}" for name in found.names if not name.name.startswith("__"))
            elif found.module.startswith("access_exporter."):
                yield from (f"{found.module}.{name.name}" for name in found.names)


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_files_and_functions_are_short(module: Path) -> None:
    """Files, functions and parameter lists are short."""
    assert len(module.read_text(encoding="utf-8").splitlines()) < MOST_LINES
    most = MOST_PARAMETERS + (module.parent.name == "simulator")
    for found in ast.walk(tree(module)):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (found.end_lineno or 0) - found.lineno < MOST_LINES_OF_A_FUNCTION, found.name
            names = [each.arg for each in (*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs)]
            assert len([name for name in names if name not in ("self", "cls")]) <= most, found.name


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_a_folder_has_one_interface(folder: Path) -> None:
    """The `__init__.py` of a folder has a docstring and exports at most ten names."""
    face = tree(folder / "__init__.py")
    assert ast.get_docstring(face)
    shown = [ast.literal_eval(each.value) for each in face.body if isinstance(each, ast.Assign)]
    assert len(shown) <= 1
    assert sum(map(len, shown)) <= MOST_NAMES


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_only_exported_names_are_imported(module: Path) -> None:
    """A file imports from another folder only what its `__init__.py` exports; a command is imported by its file."""
    here = node(".".join(module.relative_to(ROOT).with_suffix("").parts))
    for name in imports(module):
        folder = PACKAGE / node(name)
        if node(name) not in (here, "commands") and folder.is_dir() and name.count(".") > 1:
            face = tree(folder / "__init__.py")
            (shown,) = [ast.literal_eval(each.value) for each in face.body if isinstance(each, ast.Assign)]
            assert name.removeprefix(f"access_exporter.{folder.name}.") in shown


def test_the_import_graph_is_small() -> None:
    """With folders as nodes, the import graph is small enough for one page."""
    edges = {
        (node(".".join(module.relative_to(ROOT).with_suffix("").parts)), node(name))
        for module in MODULES
        for name in imports(module)
    }
    edges = {(here, there) for here, there in edges if here != there}
    assert len({each for edge in edges for each in edge}) + len(["exporter"]) <= MOST_NODES
    assert len(edges) + len(["exporter -> cli"]) <= MOST_EDGES


@pytest.mark.parametrize("folder", ["access_exporter", "benchmarks", "deploy", "docs", "tests"])
def test_exceptions_have_a_reason(folder: str) -> None:
    """Each `type: ignore` and each `noqa` has its reason on the same line."""
    for path in (ROOT / folder).rglob("*.py"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if re.search(r"#.*(type: ignore|noqa)", line) and path.name != Path(__file__).name:
                assert re.search(r"(type: ignore\[[\w, -]+\]\s+# \S)|(noqa: [A-Z0-9, ]+ – \S)", line), (
                    place(path),
                    number,
                )


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_any_has_a_reason(module: Path) -> None:
    """Each use of `Any` has its reason on the same line."""
    for number, line in enumerate(module.read_text(encoding="utf-8").splitlines(), start=1):
        code, _, comment = line.partition("#")
        if re.search(r"\bAny\b", code) and not re.search(r"import|TypeAlias", code):
            assert "Any: " in comment or '"""' in code, (number, line)


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_tests_are_found_by_name(folder: Path) -> None:
    """The tests of `users.py` are in `test_users.py` or in files such as `test_users_pages.py`."""
    modules = {path.stem for path in folder.glob("*.py")}
    for path in (ROOT / "tests" / folder.relative_to(PACKAGE)).glob("test_*.py"):
        name = path.stem.removeprefix("test_")
        assert any(name == module or name.startswith(f"{module}_") for module in modules), place(path)


def test_test_files_are_short() -> None:
    """Files of tests and their helpers are short."""
    lines = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS}
    assert {name for name, number in lines.items() if number >= MOST_LINES} == set()
