"""The programs that the tests of deploy/ run, and how to install them.

`python -m tests.deploy.programs` lists the programs that this machine lacks. `make test` runs it at the end.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

GET = {
    "actionlint": "pip install -r .github/requirements-actionlint.txt",
    "amtool": "apt-get install prometheus-alertmanager",
    "chromium": "apt-get install chromium",
    "curl": "apt-get install curl",
    "helm": "go install helm.sh/helm/v3/cmd/helm@latest",
    "kube-linter": "go install golang.stackrox.io/kube-linter/cmd/kube-linter@latest",
    "jsonnet": "go install github.com/google/go-jsonnet/cmd/jsonnet@v0.22.0",
    "jsonnet-lint": "go install github.com/google/go-jsonnet/cmd/jsonnet-lint@v0.22.0",
    "jsonnetfmt": "go install github.com/google/go-jsonnet/cmd/jsonnetfmt@v0.22.0",
    "kubectl": "apt-get install kubernetes-client (Debian 13 or newer)",
    "npm": "apt-get install npm",
    "pint": "go install github.com/cloudflare/pint/cmd/pint@v0.87.0",
    "prometheus": "apt-get install prometheus",
    "prometheus3": "go install github.com/prometheus/prometheus/cmd/prometheus@v0.316.0, and rename it",
    "prometheus-alertmanager": "apt-get install prometheus-alertmanager",
    "promtool": "apt-get install prometheus",
    "promtool3": "go install github.com/prometheus/prometheus/cmd/promtool@v0.316.0, and rename it",
    "systemd-analyze": "apt-get install systemd",
    "vmalert-tool": "go build ./app/vmalert-tool in a clone of github.com/VictoriaMetrics/VictoriaMetrics",
    "zizmor": "pip install -r .github/requirements-zizmor.txt",
}


def find(name: str) -> str | None:
    """Return the path of a program, from the folder of this Python or from PATH; None if the program is missing."""
    return shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


def program(name: str) -> str:
    """Return the path of a program; skip the test if the program is missing."""
    found = find(name)
    if found is None:
        pytest.skip(f"{name} is missing: {GET[name]}")
    return found


def axe() -> str:
    """Return the JavaScript of axe-core; skip the test if axe-core is missing."""
    if not AXE.exists():
        pytest.skip("axe-core is missing: npm ci --prefix tests/deploy")
    return AXE.read_text("utf-8")


def report() -> Iterator[str]:
    """Yield lines that name the tests that `make test` skips, and the programs that this machine lacks."""
    yield "`make test` skips the long tests (run `make test-faults`) and the tests of deploy/ (run `make test-deploy`)."
    missing = [name for name in GET if find(name) is None]
    if missing:
        yield "These programs are missing. `make test-deploy` skips the tests that need them:"
        yield from (f"  {name:24}{GET[name]}" for name in missing)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in report())
