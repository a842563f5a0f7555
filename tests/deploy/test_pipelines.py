"""The examples for CI pipelines in docs/policies.md, run with a simulated account."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from access_exporter.simulator import Account, Simulator, User
from access_exporter.simulator.account import Life
from access_exporter.simulator.evaluation import results
from tests.deploy.documents import YAML
from tests.processes import ROOT

EXAMPLES = {
    name: [snippet.text for snippet in YAML if re.match(r"docs/policies.md", snippet.place) and mark in snippet.text]
    for name, mark in (
        ("github", "runs-on:"),
        ("gitlab", "after_script:"),
        ("policy", "exclude:"),
        ("config", "api_token:"),
    )
}
# Programs that need the network. A stand-in only writes its command line to a file.
STAND_INS = ("pip", "gh", "curl")
STAND_IN = '#!/bin/bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
EXPORTER = f'#!/bin/bash\ncd "$PWD" && exec {shlex.join([sys.executable, f"{ROOT}/exporter.py"])} "$@"\n'
PEOPLE = 40


class Pipeline:
    """A checkout with the files from the document, and a CI runner with the programs."""

    def __init__(self, folder: Path, server: Simulator) -> None:
        self.folder = folder / "checkout"
        self.tools = folder / "tools"
        self.calls = folder / "calls"
        (self.folder / "access").mkdir(parents=True)
        self.tools.mkdir()
        self.server = server
        for name, text in dict.fromkeys(STAND_INS, STAND_IN).items() | {("cloudflare-access-exporter", EXPORTER)}:
            (self.tools / name).write_text(text, encoding="utf-8")
            (self.tools / name).chmod(0o755)
        api = f"api: {{url: '{server.url}'}}\n"
        (self.folder / "access" / "config.yaml").write_text(api + EXAMPLES["config"][0], encoding="utf-8")
        self.write(EXAMPLES["policy"][0])

    def write(self, policy: str) -> None:
        """Write the policy file."""
        (self.folder / "access" / "wiki.yaml").write_text(policy, encoding="utf-8")

    def run(self, shell: list[str], script: str, **variables: str) -> int:
        """Run a script as the CI runner does, and return its exit status."""
        environ = {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "step-summary"),
            "CLOUDFLARE_ACCOUNT_ID": "first",
            "CLOUDFLARE_API_TOKEN": self.server.accounts["first"].token or "",
            **variables,
        }
        ended = subprocess.run(
            [*shell, script], cwd=self.folder, env=environ, capture_output=True, timeout=120, check=False
        )
        return ended.returncode

    @property
    def summary(self) -> str:
        """The pipeline's summary of the policy change."""
        return (self.folder / "summary.md").read_text(encoding="utf-8")

    @property
    def called(self) -> list[str]:
        """The command lines of all stand-ins that ran."""
        return self.calls.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline for an account with the application Wiki, which allows every user with an example.com address."""
    account = Account("first")
    account.users = [User(f"{number}", email=f"user{number}@example.com") for number in range(PEOPLE)]
    saved = {"name": "Everybody", "decision": "allow", "include": [{"email_domain": {"domain": "example.com"}}]}
    application = {"id": "a1", "name": "Wiki", "type": "self_hosted", "policies": [{"id": "p1", **saved}]}
    account.lists = {"apps": (application,), "policies": ()}
    account.any_life = lambda policies: Life(tuple(results(account, policies)))
    with Simulator([account]) as server:
        yield Pipeline(tmp_path, server)


def github(pipeline: Pipeline) -> int:
    """Run the steps as GitHub does, with made-up values; after a failure, only steps with `!cancelled()` run."""
    (job,) = yaml.safe_load(EXAMPLES["github"][0])["jobs"].values()
    code = 0
    for step in job["steps"]:
        if "run" not in step or (code and step.get("if") != "${{ !cancelled() }}"):
            continue
        known = {name: "7" for name in step.get("env", {}) if not name.startswith("CLOUDFLARE_")}
        code = pipeline.run(["bash", "-e", "-c"], step["run"], **known) or code
    return code


def gitlab(pipeline: Pipeline) -> int:
    """Run the scripts as GitLab does; `after_script` always runs, in a separate shell."""
    (job,) = yaml.safe_load(EXAMPLES["gitlab"][0]).values()
    shell = ["bash", "-eo", "pipefail", "-c"]
    known = {
        "CI_API_V4_URL": "https://gitlab.example",
        "CI_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "7",
        "NOTE_TOKEN": "x",
    }
    code = pipeline.run(shell, "\n".join([*job["before_script"], *job["script"]]), **known)
    assert pipeline.run(shell, "\n".join(job["after_script"]), **known) == 0
    return code


RUNNERS: dict[str, Any] = {"github": github, "gitlab": gitlab}
COMMENTS = {"github": "gh pr comment 7 --body-file summary.md", "gitlab": "--data-urlencode body@summary.md"}


@pytest.mark.parametrize("name", RUNNERS)
class TestPipelines:
    def test_within_the_limit(self, pipeline: Pipeline, name: str) -> None:
        """A policy that newly blocks few users passes, and the comment says how many."""
        pipeline.write(EXAMPLES["policy"][0].replace("contractor@", "user0@"))
        assert RUNNERS[name](pipeline) == 0
        assert "| lose access (newly blocked) | 1 |" in pipeline.summary
        assert "**Kept**: `--max-newly-blocked=5%" in pipeline.summary
        assert COMMENTS[name] in pipeline.called[-1]

    def test_exceeded(self, pipeline: Pipeline, name: str) -> None:
        """A policy that newly blocks too many users fails with status 3, and the comment shows no address."""
        pipeline.write(EXAMPLES["policy"][0].replace("domain: example.com", "domain: example.org"))
        assert RUNNERS[name](pipeline) == 3
        assert f"**Exceeded**: `--max-newly-blocked=5% is exceeded: {PEOPLE} of {PEOPLE} people" in pipeline.summary
        assert "@example" not in pipeline.summary
        assert COMMENTS[name] in pipeline.called[-1]

    def test_failed(self, pipeline: Pipeline, name: str) -> None:
        """If the policy test fails, the pipeline fails and posts no comment."""
        pipeline.server.accounts["first"].may_start_tests = False
        assert RUNNERS[name](pipeline) == 1
        assert pipeline.summary == ""
        assert len(pipeline.called) == 1

    def test_nothing_is_saved(self, pipeline: Pipeline, name: str) -> None:
        """A pipeline changes no policy at Cloudflare: its only writing requests start two policy tests."""
        RUNNERS[name](pipeline)
        sent = [(arrival.method, arrival.endpoint) for arrival in pipeline.server.arrivals if arrival.method != "GET"]
        assert sent == [("POST", "policy_tests")] * 2


@pytest.mark.parametrize("name", RUNNERS)
def test_examples_match_their_schemas(name: str, tmp_path: Path) -> None:
    """The examples are valid by the JSON schemas of GitHub and GitLab."""
    file = tmp_path / f"{name}.yaml"
    (text,) = EXAMPLES[name]
    file.write_text(text, encoding="utf-8")
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[name]
    tags = ["--data-transform=gitlab-ci"] if name == "gitlab" else []
    command = [sys.executable, "-m", "check_jsonschema", f"--builtin-schema={schema}", *tags, str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
