"""Every command in the documents runs in a copy of the project that has its own /etc, /opt and /usr/local.

A program that cannot run here has a stand-in. It only checks that the files in its arguments exist. STAND_INS says why
each stand-in is needed.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config_files import ENVIRON
from tests.deploy.documents import COMMANDS, Snippet
from tests.processes import ROOT

STAND_INS = {
    "pip": "it downloads packages; .ci/run installs the same files in the same way",
    "docker": "it needs a container registry",
    "kubectl": "it needs a cluster",
    "helm": "it needs a cluster; test_helm_install.py renders the same objects",
    "jb": "it downloads packages",
    "jsonnet": "test_mixin.py runs the same commands",
    "mixtool": "no package registry has it",
    "kustomize": "it changes base/kustomization.yaml; test_kubernetes_variants.py sets an image in the same way",
    "systemctl": "it needs systemd as the first process",
    "systemd-run": "it needs systemd; test_commands_in_place.py runs its commands and those of docker and kubectl",
    "curl": "it needs Cloudflare or a running exporter",
}
# The real programs that commands may use. A program in neither list is missing from PATH, so the test fails.
REAL = ("bash", "cat", "cp", "install", "mkdir", "make", "grep", "ln", "sed")
STAND_IN = """#!/bin/bash
for word; do case $word in deploy/*|docs/*|tests/*|*.txt) [ -e "$word" ] || exit 1 ;; esac; done
"""
# The exporter reads its flags and configuration, but polls nothing, because the account is made up.
EXPORTER = f"""#!/bin/bash
exec {shlex.quote(sys.executable)} -c '
import dataclasses, sys
from access_exporter import cli, options
sys.exit(cli.execute(dataclasses.replace(options.parse(None), check=True)))' "$@"
"""
PYTHON = f"""#!/bin/bash
set -e
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin"; ln -sf "$TOOLS"/{{pip,python}} "$3/bin" ;;
  "exporter.py "*) shift; exec cloudflare-access-exporter "$@" ;;
  *.py\\ *) exec {shlex.quote(sys.executable)} -m py_compile "$1" ;;
  *) exec {shlex.quote(sys.executable)} "$@" ;;
esac
"""
OURS = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "dist", "build"
)
FOLDERS = ("etc/cron.d", "etc/systemd/system", "opt", "usr/local/bin")

SELECTIONS = [words for each in COMMANDS for words in re.findall(r"^make test ARGS=(.*)$", each.text, re.MULTILINE)]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with the only programs that the commands can find."""
    folder = tmp_path / "tools"
    folder.mkdir()
    scripts = dict.fromkeys(STAND_INS, STAND_IN) | {
        "python": PYTHON,
        "python3": PYTHON,
        "cloudflare-access-exporter": EXPORTER,
    }
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    for name in REAL:
        (folder / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
    return folder


@pytest.fixture
def machine(tmp_path: Path, tools: Path) -> Path:
    """A copy of the project with a virtual environment, beside the system folders such as etc/systemd/system."""
    for name in FOLDERS:
        (tmp_path / name).mkdir(parents=True)
    project = Path(shutil.copytree(ROOT, tmp_path / "project", ignore=OURS))
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / "wiki.yaml").touch()
    for name in ("pip", "python"):
        (project / ".venv" / "bin" / name).symlink_to(tools / name)
    return project


@pytest.mark.parametrize("snippet", COMMANDS, ids=lambda snippet: snippet.place)
def test_command_does_what_is_written(snippet: Snippet, machine: Path, tools: Path) -> None:
    """Every command of every document exits with status 0; `make` only prints its commands (make -n)."""
    here = re.sub(r"(?<![\w./:])/(?=(?:etc|opt|usr/local)/)", "../", snippet.text)
    typed = subprocess.run(
        [
            "bash",
            "-euc",
            here.replace("API_TOKEN=…", "API_TOKEN=a-secret").replace("…", "example"),
        ],
        cwd=machine,
        env={**ENVIRON, "PATH": str(tools), "TOOLS": str(tools), "MAKEFLAGS": "n"},
        input="made-up",
        capture_output=True,
        text=True,
        check=False,
    )
    assert typed.returncode == 0, typed.stdout + typed.stderr


def test_a_wrong_command_fails(machine: Path, tools: Path) -> None:
    """A command fails if its make target, flag, file or program does not exist."""
    for text in ("make tset", "cloudflare-access-exporter --onec", "pip install -r require.txt", "ls", "cp a b"):
        with pytest.raises(AssertionError):
            test_command_does_what_is_written(Snippet("here", "sh", text), machine, tools)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_selection_has_tests(selection: str) -> None:
    """Each `make test ARGS=…` of the documents selects at least one test."""
    (words,) = shlex.split(selection)
    listing = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *shlex.split(words)]
    assert subprocess.run(listing, cwd=ROOT, capture_output=True, check=False).returncode == 0
