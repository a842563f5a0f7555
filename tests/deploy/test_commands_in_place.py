"""Documented commands that run beside a running exporter: in its container, in its pod or with its systemd unit.

The exporter, its configuration, user, environment variables and files are real; docker, kubectl and systemd are
stand-ins.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from access_exporter.simulator import Simulator, User
from access_exporter.simulator.account import Life
from access_exporter.simulator.evaluation import results
from tests.commands import checking
from tests.config_files import ENVIRON
from tests.deploy import containers, stand_ins
from tests.deploy.containers import Container, Image, root_file_system
from tests.deploy.documents import BLOCKS, COMMANDS, Snippet
from tests.deploy.monitoring import eventually
from tests.processes import ROOT

ACCOUNT = ENVIRON["CLOUDFLARE_ACCOUNT_ID"]
PROGRAMS = ("docker", "kubectl", "systemd-run", "systemctl")
EXPORTER = "/opt/cloudflare-access-exporter/bin/cloudflare-access-exporter"
ETC = "/etc/cloudflare-access-exporter"
STATE = "/var/lib/cloudflare-access-exporter"
# The documents must have each command of WHAT in each way of WAYS, and each command of RELOADS.
WAYS = ("docker run", "docker exec", "$compose exec", "kubectl -n cloudflare-access exec", "systemd-run")
WHAT = ("--config.check", "--idle-seats=90d", "--test-policy=-")
RELOADS = ("docker kill --signal=HUP", "$compose kill --signal=HUP", "sh -c 'kill -HUP 1'", "systemctl reload")
IN_PLACE = [
    snippet
    for snippet in COMMANDS
    if re.search(r"docker (run|exec|kill|compose)|kubectl.* exec |systemd-run|systemctl reload", snippet.text)
    and "\n" in snippet.text  # a command without a line break is part of a sentence, not a block
]


def account() -> Any:
    """Return an account with a user who holds an idle seat, and an application called Wiki."""
    made = checking.account()
    made.id = ACCOUNT
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    made.users = [*made.users, User("idle", email="idle@example.com", access_seat=True, last_successful_login=long_ago)]
    made.any_life = lambda policies: Life(tuple(results(made, policies)))
    return made


class Machine:
    """Running exporters, by the names that docker, kubectl and systemd give them."""

    def __init__(self, folder: Path, cloudflare: Simulator) -> None:
        self.folder = folder
        self.url = cloudflare.url
        self.token: str = cloudflare.accounts[ACCOUNT].token or ""
        self.environ = {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_API_TOKEN": self.token}
        image = Image()
        root_file_system(folder / "image", image.files(self.url), image.writable)
        unit_files = {
            EXPORTER: containers.COMMAND,
            f"{ETC}/config.yaml": self.asking("deploy/systemd/config.yaml"),
            f"{ETC}/token": self.token,
        }
        root_file_system(folder / "host", unit_files)

    def asking(self, name: str) -> str:
        return containers.asking((ROOT / name).read_text("utf-8"), self.url)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    def docker(self) -> tuple[Container, list[str]]:
        """Return the container and command that the README starts with `docker run`."""
        container = stand_ins.from_image(self.folder / "image", [f"{k}={v}" for k, v in self.environ.items()], [])
        return container, Image().entry_point

    def compose(self) -> tuple[Container, list[str]]:
        """Return the container and command of the service in deploy/compose that exports an account."""
        text = (ROOT / "deploy" / "compose" / "compose.yaml").read_text("utf-8")
        service = yaml.safe_load(text)["services"]["exporter-account"]
        variables = {
            name: re.sub(r"\$\{(\w+):-\}", lambda match: self.environ.get(match[1], ""), value)
            for name, value in service["environment"].items()
        }
        shipped = self.file("compose/config.yaml", self.asking("config.yaml"))
        volumes = [each.replace("../../config.yaml", str(shipped)) for each in service["volumes"]]
        container = stand_ins.from_image(self.folder / "image", [f"{k}={v}" for k, v in variables.items()], volumes)
        return container, [*Image().entry_point, *service["command"]]

    def pod(self) -> tuple[Container, list[str]]:
        """Return the container and command of the pod in deploy/kubernetes/base."""
        base = ROOT / "deploy" / "kubernetes" / "base"
        pod = yaml.safe_load((base / "deployment.yaml").read_text("utf-8"))["spec"]["template"]["spec"]
        (inside,) = pod["containers"]
        volumes = {
            "config": self.file("pod/config/config.yaml", self.asking("deploy/kubernetes/base/config.yaml")).parent,
            "token": self.file("pod/token/token", self.token).parent,
            "storage": self.folder / "pod" / "storage",
        }
        volumes["storage"].mkdir()
        volumes["storage"].chmod(0o777)
        os.chown(volumes["token"] / "token", 0, pod["securityContext"]["fsGroup"])
        (volumes["token"] / "token").chmod(0o440)
        variables = {each["name"]: each["value"] for each in inside["env"]}
        mounts = {each["mountPath"]: str(volumes[each["name"]]) for each in inside["volumeMounts"]}
        user = pod["securityContext"]["runAsUser"]
        environ = Image().environ | variables
        return Container(str(self.folder / "image"), user, environ, mounts), [*Image().entry_point, *inside["args"]]

    def unit(self) -> tuple[Container, list[str]]:
        """Return the container and command of the systemd unit in deploy/systemd."""
        text = stand_ins.UNIT.read_text("utf-8").replace("\\\n", " ")
        container = stand_ins.service(self.folder / "host", text.splitlines())
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        os.chown(state, container.user, container.user)
        container.mounts[STATE] = str(state)
        (command,) = re.findall(r"(?m)^ExecStart=(.*)", text)
        return container, shlex.split(command.replace("${STATE_DIRECTORY}", STATE))

    def loads(self) -> int:
        """Return how many times the exporters have loaded their configuration, all together."""
        return sum(log.read_text("utf-8").count("configuration loaded") for log in self.folder.glob("*.log"))

    def start(self, name: str, made: tuple[Container, list[str]]) -> "subprocess.Popen[bytes]":
        """Run an exporter in a container, and save the container under this name."""
        container, command = made
        started = containers.start(container, command, self.folder / f"{name}.log")
        containers.save(self.folder, name, container)
        return started


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that runs an exporter in each documented way: docker, Compose, Kubernetes, systemd."""
    if not containers.can_run():
        pytest.skip("needs root, mount namespaces, unshare, nsenter, setpriv and chroot")
    folder = tmp_path_factory.mktemp("containers")
    with ExitStack() as stack:
        made = Machine(folder, stack.enter_context(Simulator([account()])))
        for name, container in (
            ("cloudflare-access-exporter", made.docker()),
            ("exporter-account", made.compose()),
            ("pod-of-cloudflare-access-exporter", made.pod()),
            ("cloudflare-access-exporter.service", made.unit()),
        ):
            process = made.start(name, container)
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGKILL)
        yield made


def typed(snippet: Snippet, machine: Machine, folder: Path) -> str:
    """Run a documented command, and return its output."""
    tools = folder / "tools"
    tools.mkdir()
    for name in PROGRAMS:
        script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.deploy.stand_ins {name} "$@"\n'
        (tools / name).write_text(script, encoding="utf-8")
        (tools / name).chmod(0o755)
    (tools / "curl").symlink_to("/bin/true")
    (wiki,) = [block.text for block in BLOCKS if block.text.startswith("name: Staff\ndecision: allow\n")]
    (folder / "wiki.yaml").write_text(wiki, encoding="utf-8")
    (folder / "token").write_text(machine.token, encoding="utf-8")
    (folder / "config.yaml").write_text(machine.asking("config.yaml"), encoding="utf-8")
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("node_modules"))
    (machine.folder / "done").write_text("", encoding="utf-8")
    environ = {**machine.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", snippet.text],
        cwd=folder,
        env={**environ, "CONTAINERS": str(machine.folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("snippet", IN_PLACE, ids=lambda snippet: snippet.place)
def test_commands_do_what_they_say(snippet: Snippet, machine: Machine, tmp_path: Path) -> None:
    """Beside a running exporter, each command checks the configuration, lists users, tests a policy or reloads."""
    loads = machine.loads()
    out = typed(snippet, machine, tmp_path)
    done = (machine.folder / "done").read_text("utf-8")
    assert done
    expected = loads + done.count("HUP")
    eventually("the reload", lambda: machine.loads() >= expected or None)
    assert out.count(f"\naccount '{ACCOUNT}'") == done.count("--config.check")
    assert out.count("lose access (newly blocked)") == done.count("--test-policy=-")
    if "--idle-seats" in done:
        assert "idle@example.com" in (tmp_path / "idle-seats.csv").read_text("utf-8")


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("way", WAYS)
def test_every_command_is_documented(way: str, what: str) -> None:
    """The documents have each command for each way to run the exporter."""
    assert [snippet for snippet in IN_PLACE if way in snippet.text and what in snippet.text]


@pytest.mark.parametrize("way", RELOADS)
def test_every_reload_is_documented(way: str) -> None:
    """The documents say how to reload the configuration for each way to run the exporter."""
    assert [snippet for snippet in IN_PLACE if way in snippet.text]
