"""The real programs that the tests of deploy/ run, and how to get those that are missing.

`python -m tests.deploy.programs` says what is missing here; `make test` ends with it.
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
    """Return where a program is: beside this Python, or where the PATH has it."""
    return shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


def program(name: str) -> str:
    """Return where a program is; skip the test where it is missing."""
    found = find(name)
    if found is None:
        pytest.skip(f"{name} is missing: {GET[name]}")
    return found


def axe() -> str:
    """Return the text of axe-core; skip the test where it is missing."""
    if not AXE.exists():
        pytest.skip("axe-core is missing: npm ci --prefix tests/deploy")
    return AXE.read_text("utf-8")


def report() -> Iterator[str]:
    """Yield the lines that tell what `make test` leaves out, and what is missing for it."""
    yield "Not run by `make test`: the long tests, `make test-faults`; those on real programs, `make test-deploy`."
    missing = [name for name in GET if find(name) is None]
    if missing:
        yield "Missing here; `make test-deploy` skips what needs them:"
        yield from (f"  {name:24}{GET[name]}" for name in missing)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in report())
