"""Stand-ins for docker, kubectl, systemd-run and systemctl, which run the documented commands with containers.py.

python -m tests.deploy.stand_ins PROGRAM ARGUMENT… finds everything in the folder $CONTAINERS: the containers, by the
names that docker, kubectl and systemd give them, and the root file systems of the image and of the systemd unit.
"""

import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.deploy import containers
from tests.deploy.containers import Container, Image
from tests.processes import ROOT

FOLDER = Path(os.environ.get("CONTAINERS", "."))
UNIT = ROOT / "deploy" / "systemd" / "cloudflare-access-exporter.service"
DYNAMIC_USER = 61184  # the first user ID that systemd assigns with DynamicUser=yes


def parsed(words: Sequence[str], switches: str, valued: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the leading flags with their values, and the words after the flags; exit on an unknown flag."""
    rest, found = list(words), dict[str, list[str]]()
    while rest and rest[0].startswith("-"):
        flag, _, value = rest.pop(0).partition("=")
        if flag in valued.split():
            found.setdefault(flag, []).append(value or rest.pop(0))
        elif flag in switches.split():
            found[flag] = []
        elif flag == "--":
            break
        else:
            sys.exit(f"unknown flag {flag}")
    return found, rest


def enter(container: Container, command: Sequence[str]) -> NoReturn:
    """Note a command, and replace this process by it in a container; only programs of a slim image are allowed."""
    assert Path(command[0]).name in ("cloudflare-access-exporter", "sh"), command[0]
    note(" ".join(command))
    entering = container.entering(command)
    os.execvp(entering[0], entering)  # noqa: S606 – the command needs no shell


def hang_up(name: str) -> None:
    """Send SIGHUP to the first process of a container."""
    note("HUP")
    os.kill(containers.load(FOLDER, name).process, signal.SIGHUP)


def note(text: str) -> None:
    """Add a line to the file `done`, which the test reads."""
    with (FOLDER / "done").open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def docker(words: Sequence[str]) -> None:
    """Do what `docker run`, `docker exec`, `docker kill` and `docker compose` do."""
    command, *rest = words
    if command == "run":
        docker_run(rest)
    elif command == "exec":
        _, (name, *inside) = parsed(rest, "-i", "")
        enter(containers.load(FOLDER, name), inside)
    elif command == "compose":
        compose(rest)
    else:
        assert command == "kill"
        flags, (name,) = parsed(rest, "", "--signal")
        assert flags == {"--signal": ["HUP"]}
        hang_up(name)


def docker_run(words: Sequence[str]) -> None:
    """Replace this process by a command in the image; with -p, run an exporter there until its web server runs."""
    flags, (image, *arguments) = parsed(words, "--rm -i --detach", "-e -v -p --name")
    assert image == "cloudflare-access-exporter"
    container = from_image(FOLDER / "image", flags.get("-e", []), flags.get("-v", []))
    command = [*Image().entry_point, *arguments]
    if "-p" not in flags:
        enter(container, command)
    started = containers.start(container, command, FOLDER / "run.log")
    note("served")
    os.kill(container.process, signal.SIGTERM)
    assert started.wait(10) == 0


def from_image(root: Path, variables: Sequence[str], volumes: Sequence[str]) -> Container:
    """Return a container of the image, with the variables and volumes of `docker run`."""
    image = Image()
    pairs = (each.partition("=") for each in variables)
    given = {name: value if equals else os.environ[name] for name, equals, value in pairs}
    mounts = {}
    for volume in volumes:
        source, target = volume.split(":")[:2]
        if not source.startswith("/"):  # a named volume gets the permissions of the folder that it covers
            path = root.parent / "volumes" / source
            path.mkdir(parents=True, exist_ok=True)
            path.chmod((root / target.lstrip("/")).stat().st_mode)
            source = str(path)
        mounts[target] = source
    return Container(str(root), image.user, image.environ | given, mounts)


def compose(words: Sequence[str]) -> None:
    """Do what `docker compose exec` and `docker compose kill` do."""
    flags, (command, *rest) = parsed(words, "", "--file --profile")
    assert (
        Path(flags["--file"][0]).samefile(ROOT / "deploy" / "compose" / "compose.yaml")
        or Path(flags["--file"][0]).exists()
    )
    if command == "exec":
        _, (service, *inside) = parsed(rest, "-T", "")
        enter(containers.load(FOLDER, service), inside)
    assert command == "kill"
    _, (service,) = parsed(rest, "", "--signal")
    hang_up(service)


def kubectl(words: Sequence[str]) -> None:
    """Do what `kubectl exec` does; do nothing for other commands, because they need a cluster."""
    _, (command, *rest) = parsed(words, "", "-n")
    if command == "exec":
        target, *inside = parsed(rest, "-i", "")[1]
        interactive, inside = parsed(inside, "-i", "")
        kind, name = target.split("/")
        assert (kind, interactive) == ("deployment", {})
        enter(containers.load(FOLDER, f"pod-of-{name}"), inside)


def systemd_run(words: Sequence[str]) -> None:
    """Run a command as `systemd-run` does; fail if a property is not in the unit."""
    flags, command = parsed(words, "--quiet --pipe --wait --collect", "--property")
    assert {"--pipe", "--wait"} <= flags.keys()
    unit = UNIT.read_text("utf-8").splitlines()
    assert set(flags["--property"]) <= set(unit), "the unit lacks a property"
    enter(service(FOLDER / "host", flags["--property"]), command)


def service(root: Path, properties: Sequence[str]) -> Container:
    """Return a container like the environment that systemd creates for a process with these properties."""
    assert "DynamicUser=yes" in properties
    credentials = root.parent / "credentials"
    credentials.mkdir(exist_ok=True)
    for name, source in re.findall(r"(?m)^LoadCredential=([\w-]+):(\S+)$", "\n".join(properties)):
        (credentials / name).write_bytes((root / source.lstrip("/")).read_bytes())
        (credentials / name).chmod(0o400)
        os.chown(credentials / name, DYNAMIC_USER, DYNAMIC_USER)
    place = "/run/credentials/unit"
    environ = {"PATH": containers.BASE_PATH, "CREDENTIALS_DIRECTORY": place}
    return Container(str(root), DYNAMIC_USER, environ, {place: str(credentials)})


def systemctl(words: Sequence[str]) -> None:
    """Reload as the unit does, by SIGHUP; do nothing for other commands."""
    if words[0] == "reload":
        assert "ExecReload=/bin/kill -HUP $MAINPID" in UNIT.read_text("utf-8").splitlines()
        hang_up(f"{words[1]}.service")


if __name__ == "__main__":
    programs = {"docker": docker, "kubectl": kubectl, "systemd-run": systemd_run, "systemctl": systemctl}
    programs[sys.argv[1]](sys.argv[2:])
