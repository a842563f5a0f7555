"""No request of `--demo` leaves this machine, even if the environment has proxies and passwords."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.processes import ROOT, exporter

# Runs the command. The process exits with 99 when it looks up or contacts a host beyond the loopback interface. A proxy
# on the loopback interface would not be noticed in this way, so the proxy counts its connections.
WATCHED = """
import os, sys
EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
def watch(event, arguments):
    if event in EVENTS:
        address = arguments[0] if isinstance(arguments[0], (str, bytes)) else arguments[1]
        host = address[0] if isinstance(address, tuple) else address
        if host not in ("127.0.0.1", "::1", b"127.0.0.1"):
            sys.stderr.write(f"left the machine: {event} {host!r}\\n")
            os._exit(99)
sys.addaudithook(watch)
from access_exporter.cli import run
run()
"""


class Proxy:
    """Listens at the proxy address of the environment and counts the connections."""

    def __init__(self) -> None:
        self.visitors = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return
            self.visitors += 1

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Start a proxy on a free port."""
    listening = Proxy()
    yield listening
    listening.close()


@pytest.fixture
def environ(proxy: Proxy, tmp_path: Path) -> dict[str, str]:
    """Return an environment with this proxy in every variable, a password in .netrc and a wrong file of authorities."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login jane password planted\n", encoding="utf-8")
    (tmp_path / ".netrc").chmod(0o600)
    names = [f"{scheme}_proxy" for scheme in ("http", "https", "all", "socks")]
    proxies = dict.fromkeys((*names, *map(str.upper, names)), f"http://jane:planted@127.0.0.1:{proxy.port}")
    here = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    astray = {"NO_PROXY": "", "HOME": str(tmp_path), "REQUESTS_CA_BUNDLE": str(tmp_path / "missing")}
    return here | proxies | astray


@pytest.mark.parametrize("command", ["--once", "--idle-seats=30d", "--config.check"])
def test_a_command_on_the_demo(command: str, proxy: Proxy, environ: dict[str, str]) -> None:
    """Each command works on the demo and contacts only the simulated account, without the proxy."""
    whole = [sys.executable, "-c", WATCHED, "--demo", command]
    ended = subprocess.run(whole, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    assert "planted" not in ended.stdout + ended.stderr
    assert proxy.visitors == 0


def test_the_running_demo(proxy: Proxy, environ: dict[str, str]) -> None:
    """The running demo polls each target successfully and does not contact the proxy."""
    with exporter("--demo", environ=environ) as running:
        for target in ("users", "devices", "service_tokens", "wiki", "payroll", "legacy vpn", "staff"):
            running.wait_for("poll succeeded", target=target)
        assert not any("poll failed" in line for line in running.lines)
    assert proxy.visitors == 0


def test_other_apis_use_the_proxy(proxy: Proxy, environ: dict[str, str], tmp_path: Path) -> None:
    """A request to any other API uses the proxy, so these tests would notice a request that leaves the machine."""
    config = tmp_path / "config.yaml"
    config.write_text("api: {url: 'http://api.example'}\naccounts: [{id: a, api_token: x}]\n", encoding="utf-8")
    whole = [sys.executable, "-c", WATCHED, "--once", f"--config.file={config}"]
    ended = subprocess.run(whole, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
    assert proxy.visitors > 0
