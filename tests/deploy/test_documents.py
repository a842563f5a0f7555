"""The YAML examples and links in the documents work, and docs/configuration.md documents every key."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from access_exporter import cli, config
from access_exporter.commands import policy_file
from access_exporter.config.durations import Duration
from access_exporter.config.model import Account, Api, Devices, PolicyTest, ServiceTokens, Users
from access_exporter.serving import WebSettings, web_config, web_tls
from tests.certificates import Authority
from tests.config_files import ENVIRON, SECRET
from tests.deploy.documents import BLOCKS, DOCUMENTS, FENCE, YAML, Snippet
from tests.deploy.helm import rendered
from tests.deploy.manifests import FOLDER, built
from tests.deploy.programs import program
from tests.deploy.test_pipelines import EXAMPLES
from tests.processes import ROOT
from tests.secured import install

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
# The test of each language of a block. A block of `text` shows the output of a program and has no test.
LANGUAGES = {
    "yaml": "test_yaml_is_valid",
    "sh": "tests/deploy/test_commands.py",
    "jsonnet": "tests/deploy/test_mixin.py",
    "text": None,
}


def test_every_block_has_a_test() -> None:
    """Every fenced block of every document is found, and its language has a test."""
    fences = sum(len(FENCE.findall(path.read_text("utf-8"))) for path in DOCUMENTS)
    assert fences == 2 * len(BLOCKS) > 30
    assert {snippet.language for snippet in BLOCKS} <= LANGUAGES.keys()
    named = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/runbook.md", "deploy/cron/README.md"} < named


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and the environment variables that the snippets use."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "user@example.com")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("snippet", YAML, ids=lambda snippet: snippet.place)
def test_yaml_is_valid(snippet: Snippet, machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exporter loads each configuration and policy, promtool each scrape configuration, helm each values file."""
    read = yaml.safe_load(snippet.text)
    keys = set(read) if isinstance(read, dict) else set()
    if snippet.place.startswith("deploy/helm/"):
        assert rendered(values=read)
    elif not keys or "decision" in keys:
        (machine / "policy.yaml").write_text(snippet.text, encoding="utf-8")
        assert policy_file.read(str(machine / "policy.yaml")) == (read if isinstance(read, list) else [read])
    elif "jobs" in keys or "access-policy" in keys:
        assert snippet.text in (*EXAMPLES["github"], *EXAMPLES["gitlab"])
    elif "accounts" in keys:
        load_configuration(snippet.text, machine, capsys)
    elif keys & set(web_config.WebConfig.__struct_fields__):
        load_web_configuration(snippet.text, machine)
    elif "components" in keys:
        for name in ("kubernetes", "grafana"):
            shutil.copytree(ROOT / "deploy" / name, machine / "deploy" / name)
        shutil.copy(FOLDER / "base" / "config.yaml", machine)
        (machine / "kustomization.yaml").write_text(snippet.text, encoding="utf-8")
        assert {"Deployment", "ConfigMap"} <= {each["kind"] for each in built(machine)}
    else:
        check_with_promtool(snippet.text, machine)


def load_configuration(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in re.findall(r"_file: /run/secrets/(\S+)", text):
        (folder / path).write_text(SECRET, encoding="utf-8")
    file = folder / "config.yaml"
    file.write_text(text.replace("/run/secrets/", f"{folder}/"), encoding="utf-8")
    code = cli.main([f"--config.file={file}", "--config.check"])
    shown = capsys.readouterr()
    assert (code, shown.err) == (0, "")
    assert SECRET not in shown.out


def load_web_configuration(text: str, folder: Path) -> None:
    install(Authority(folder), folder)
    shutil.copy(folder / "ca.crt", folder / "clients.crt")
    (folder / "web.yaml").write_text(text, encoding="utf-8")
    settings = WebSettings(str(folder / "web.yaml"))
    assert (settings.config.tls_server_config is None) == (settings.context is None)


def check_with_promtool(text: str, folder: Path) -> None:
    for name in re.findall(r"_file: (\S+)", text):
        if name == "tls.crt":
            install(Authority(folder), folder)
        else:
            (folder / name).write_text(SECRET, encoding="utf-8")
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("node_modules"))
    file = folder / "prometheus.yaml"
    file.write_text(text, encoding="utf-8")
    command: list[str | Path] = [program("promtool"), "check", "config", file]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def tables(heading: str) -> list[dict[str, str]]:
    """Return the default of each key, for each table below a heading."""
    section = CONFIGURATION.partition(f"{heading}\n")[2] or pytest.fail(f"no heading {heading}")
    return [
        {
            key: row.split(" | ")[1].replace("`", "").strip(" |")
            for row in table.splitlines()
            for key in re.findall(r"`(\w+)`", row.split(" | ")[0])
        }
        for table in re.findall(r"(?:^\| `.*\n)+", re.split(r"(?m)^#", section)[0], re.MULTILINE)
    ]


# For each heading, objects that have only their required keys. The section has one table for each object.
LEAST: dict[str, tuple[msgspec.Struct, ...]] = {
    "## `api`: how to call the API": (Api(),),
    "## `accounts`: what to poll": (Account(id="a"),),
    "### `users`": (Users(),),
    "### `devices`": (Devices(),),
    "### `policy_tests`": (
        PolicyTest(id="wiki"),
        PolicyTest(name="wiki", policies=("p",)),
        PolicyTest(discover="applications"),
    ),
    "### `service_tokens`": (ServiceTokens(),),
}
OF_ONE_KIND = {"id"}, {"policies", "refresh"}


@pytest.mark.parametrize("heading", LEAST)
def test_every_key_is_documented_with_its_default(heading: str) -> None:
    """docs/configuration.md lists exactly the keys that the exporter knows, each with its default."""
    documented = tables(heading)
    assert {key for table in documented for key in table} == set(LEAST[heading][0].__struct_fields__)
    for table, least in zip(documented, LEAST[heading], strict=True):
        for name, default in defaults(least, table).items():
            assert value(table[name], least) == default, name


def defaults(least: msgspec.Struct, table: dict[str, str]) -> dict[str, Any]:
    """Return the defaults of a table, without the keys that are required or have no default value."""
    values = {name: getattr(least, name) for name in table if table[name] != "required"}
    return {name: value for name, value in values.items() if value not in (None, (), Users())}


def value(text: str, least: msgspec.Struct) -> Any:
    """Return the value of a default that the documentation gives in words."""
    if text == "twice refresh" and isinstance(least, PolicyTest):
        return 2 * (least.refresh or 0)
    parsed = yaml.safe_load(text)
    if isinstance(parsed, str) and re.fullmatch(r"\d+[smhd]", parsed):
        return Duration.parse(parsed)
    return tuple(parsed) if isinstance(parsed, list) else parsed


def test_every_key_of_the_web_configuration_is_documented() -> None:
    """docs/configuration.md names each key of the web configuration."""
    for section in (web_config.WebConfig, web_tls.TlsServer, web_config.HttpServer, web_config.RateLimit):
        for name in section.__struct_fields__:
            assert f"{name}:" in CONFIGURATION, name


def test_the_shortest_example_is_the_default_configuration(machine: Path) -> None:
    """The shipped config.yaml means the same as the shortest example in docs/configuration.md."""
    shortest = next(snippet.text for snippet in YAML if snippet.place.startswith("docs/configuration.md"))
    (machine / "config.yaml").write_text(shortest, encoding="utf-8")
    assert config.load(str(machine / "config.yaml"), ENVIRON) == config.load(str(ROOT / "config.yaml"), ENVIRON)


def test_links_lead_to_existing_files() -> None:
    """Every relative link in a document leads to an existing file or folder."""
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)}: {target}"
