"""`auth_excluded_paths`: paths that need no password. Also: the exporter stores no password on disk."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.processes import exporter
from tests.running_server import connect, everything, pages, serving, status
from tests.secured import HASH, PASSWORD, write

EXCLUDED = "auth_excluded_paths: [/-/healthy, /-/ready]\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of an exporter that answers health probes without a password."""
    web = tmp_path_factory.mktemp("auth") / "web.yaml"
    with serving(pages(write(web, f"basic_auth_users: {{prometheus: '{HASH}'}}\n{EXCLUDED}"))) as port:
        yield port


def asked(port: int, target: str, method: str = "GET") -> int:
    """Return the status of the response to a request without a password."""
    with connect(port) as client:
        client.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return int(status(everything(client)).split()[1])


@pytest.mark.parametrize("target", ["/-/healthy", "/-/ready", "/-/healthy?a=b", "/%2D/healthy", "http://x/-/healthy"])
def test_excluded_path(port: int, target: str) -> None:
    """An excluded path needs no password, even if its URL is percent-encoded or has a query."""
    assert [asked(port, target), asked(port, target, "HEAD"), asked(port, target, "POST")] == [200, 200, 405]


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/metrics", "/-/reload", "/nowhere", "/-/healthy/", "/-/healthyz", "/-/Healthy", "//-/healthy", "/-/"),
        *("/-/healthy/../../metrics", "/-/healthy%3F", "/metrics?/-/healthy", "/metrics#/-/healthy", "/x/-/healthy"),
    ],
)
def test_other_path(port: int, target: str) -> None:
    """Every other path needs a password, even if it starts or ends like an excluded path."""
    assert asked(port, target) == 401


def test_no_password_is_stored(tmp_path: Path) -> None:
    """After right and wrong passwords, no file in --storage.path holds a password, a hash or an encoded credential."""
    web = write(tmp_path / "web.yaml", f"basic_auth_users: {{prometheus: '{HASH}'}}\n{EXCLUDED}")
    storage = tmp_path / "storage"
    storage.mkdir()
    with exporter("--demo", f"--web.config.file={web}", f"--storage.path={storage}") as running:
        running.drain()
        while requests.get(f"{running.url}/-/ready", timeout=10).status_code != 200:
            pass
        for password, code in ((PASSWORD, 200), ("a wrong one", 401)):
            answer = requests.get(f"{running.url}/metrics", auth=("prometheus", password), timeout=10)
            assert answer.status_code == code
    stored = [path.read_bytes() for path in storage.rglob("*") if path.is_file()]
    assert stored
    for tried in (PASSWORD.encode(), b"a wrong one"):
        credential = b"prometheus:" + tried
        for made in (
            tried,
            HASH.encode(),
            base64.b64encode(credential),
            hashlib.sha256(credential).hexdigest().encode(),
        ):
            assert not any(made in content for content in stored)
