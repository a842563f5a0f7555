"""An exporter with TLS and basic auth, and certificates of a private authority."""

import shutil
from pathlib import Path

import bcrypt
import requests

from tests.certificates import Authority
from tests.processes import Exporter

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def install(authority: Authority, folder: Path, name: str = "server") -> None:
    made = authority.issue(name)
    shutil.copy(made.cert, folder / "tls.crt")
    shutil.copy(made.key, folder / "tls.key")
    shutil.copy(authority.cert, folder / "ca.crt")


def get(running: Exporter, authority: Authority, path: str = "/metrics", **options: object) -> requests.Response:
    return requests.get(running.url + path, verify=str(authority.cert), timeout=10, **options)  # type: ignore[arg-type]  # the values are of several types
