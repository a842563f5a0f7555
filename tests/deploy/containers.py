"""Containers without a registry: the root file system that the Dockerfile describes, with this machine's Python.

A container has its own mounts, processes and user. Its root file system is read-only, and it has only the environment
variables that the test sets. Containers need root.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import ROOT

COMMAND = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "exporter.py"))} "$@"\n'
SYSTEM = ("bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr")
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WITH_PARENT = "--pdeathsig=KILL"  # the kernel kills a process when its parent ends; setuid clears this setting
WITHOUT_RIGHTS = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


@dataclass
class Container:
    """A root file system with its mounts, and how processes start in it.

    `mounts` has files and folders of this machine, by their path in the container. `process` is the process ID of the
    container's first process, as this machine sees it; it is 0 until that process runs.
    """

    root: str
    user: int
    environ: dict[str, str]
    mounts: dict[str, str] = field(default_factory=dict)
    process: int = 0

    def entering(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command in the container, as its first process or as another process."""
        environ = [f"{name}={value}" for name, value in self.environ.items()]
        as_user = ["setpriv", WITH_PARENT, f"--reuid={self.user}", f"--regid={self.user}", *WITHOUT_RIGHTS]
        inside = [*as_user, "env", "-i", *environ, *command]
        if self.process:
            return ["nsenter", f"--target={self.process}", "--mount", "--pid", "--root", "--wd", *inside]
        own = ["setpriv", WITH_PARENT, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc"]
        return [*own, f'{self._mounting()}\nexec chroot {shlex.quote(self.root)} "$@"', "sh", *inside]

    def _mounting(self) -> str:
        root = Path(self.root)
        prefixes = {os.path.realpath(each) for each in (sys.prefix, sys.base_prefix)} | {str(ROOT)}
        shared = [f"/{name}" for name in SYSTEM if (root / name).is_dir() and not (root / name).is_symlink()]
        shared += sorted(each for each in prefixes if not each.startswith("/usr"))
        binds = [(each, each) for each in [*shared, "/dev"]]
        binds += [(source, target) for target, source in self.mounts.items()]
        lines = ["mount --make-rprivate /", f"mount --bind {shlex.quote(self.root)} {shlex.quote(self.root)}"]
        for source, target in binds:
            place = root / target.lstrip("/")
            make_place(Path(source), place)
            lines.append(f"mount --rbind {shlex.quote(source)} {shlex.quote(str(place))}")
        lines.append(f"mount -t proc proc {shlex.quote(str(root / 'proc'))}")
        lines.append(f"mount -o remount,bind,ro {shlex.quote(self.root)}")
        return "\n".join(lines)


def make_place(source: Path, place: Path) -> None:
    """Create an empty file or folder as a mount point."""
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def root_file_system(folder: Path, files: Mapping[str, str], writable: Sequence[str] = ()) -> Path:
    """Create a root file system with these files; every user may write to the folders in `writable`."""
    (folder / "proc").mkdir(parents=True)
    for name in SYSTEM:
        if (here := Path("/") / name).is_symlink():
            (folder / name).symlink_to(here.readlink())
        elif here.exists():
            (folder / name).mkdir()
    for name, text in files.items():
        file = folder / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755 if "/bin/" in name else 0o644)
    for name in writable:
        (folder / name.lstrip("/")).mkdir(parents=True)
        (folder / name.lstrip("/")).chmod(0o1777)
    return folder


class Image:
    """The image that the last stage of the Dockerfile describes."""

    def __init__(self) -> None:
        """Read the Dockerfile."""
        text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").rpartition("\nFROM ")[2]
        said = [line.partition(" ")[::2] for line in text.splitlines()]
        variables = " ".join(rest for word, rest in said if word == "ENV")
        self.environ = dict(each.split("=", 1) for each in shlex.split(variables.replace("${PATH}", BASE_PATH)))
        (user,) = [rest for word, rest in said if word == "USER"]
        self.user = int(user.partition(":")[0])
        (entry,) = [rest for word, rest in said if word == "ENTRYPOINT"]
        self.entry_point: list[str] = json.loads(entry)
        assert not [rest for word, rest in said if word == "CMD"], "flags of `docker run` would replace CMD"
        self.copied = dict(rest.split()[-2:] for word, rest in said if word == "COPY" and "--from" not in rest)
        made = (re.fullmatch(r"install -d -m 1777 (\S+)", rest) for word, rest in said if word == "RUN")
        self.writable = [match[1] for match in made if match]

    def files(self, url: str) -> dict[str, str]:
        """Return the files of the image, with a configuration that uses the API at this address."""
        copied = {place: (ROOT / name).read_text("utf-8") for name, place in self.copied.items()}
        return {self.entry_point[0]: COMMAND, **{place: asking(text, url) for place, text in copied.items()}}


def asking(configuration: str, url: str) -> str:
    """Return a configuration that uses the API at this address."""
    return f"api: {{url: '{url}'}}\n{configuration}"


def can_run() -> bool:
    """Return whether this machine has root, namespaces and the programs that containers need."""
    if os.getuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "setpriv", "chroot"))):
        return False
    probe = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount --make-rprivate / && mount -t proc proc /proc"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def save(folder: Path, name: str, container: Container) -> None:
    """Write a container to a file with its name."""
    (folder / f"{name}.json").write_text(json.dumps(asdict(container)), encoding="utf-8")


def load(folder: Path, name: str) -> Container:
    """Return the saved container of this name; raises FileNotFoundError if there is none."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return Container(**found)


def start(container: Container, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start an exporter as the first process of a container, and wait until its web server runs."""
    with log.open("wb") as file:
        started = subprocess.Popen(
            container.entering([*command, "--web.listen-address=127.0.0.1:0"]), stdout=file, stderr=file
        )
    while b"msg=serving" not in (said := log.read_bytes()):
        assert started.poll() is None, said.decode()
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text("ascii").split()
    container.process = int(children[0])
    return started
