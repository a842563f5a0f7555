"""Fixtures for tests of the web server: certificates, web configurations and a running exporter."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from access_exporter import cli
from tests.certificates import Authority, lock
from tests.processes import Exporter, exporter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with valid and invalid certificates and keys, and with a configuration that polls nothing."""
    folder = tmp_path_factory.mktemp("web")
    authority = Authority(folder)
    server = authority.issue("server")
    authority.issue("other")
    lock(server.key, folder / "encrypted.key")
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    (folder / "config.yaml").write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Run the exporter as a process. While the tests run, it must log nothing except `stopped`."""
    config = tmp_path_factory.mktemp("hostile") / "config.yaml"
    config.write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    with exporter(f"--config.file={config}") as started:
        said = len(started.lines)
        started.drain()
        yield started
        assert started.process.poll() is None
        started.process.terminate()
        assert started.process.wait(10) == 0
    assert [line for line in started.lines[said:] if '"stopped"' not in line] == []


@pytest.fixture
def check(folder: Path, capsys: pytest.CaptureFixture[str], own_logging: None) -> Callable[..., tuple[int, str, str]]:
    """Return a function that writes a web configuration and runs the exporter's command on it in this process."""

    def check(content: str, *flags: str) -> tuple[int, str, str]:
        (folder / "web.yaml").write_text(content, encoding="utf-8")
        files = f"--config.file={folder}/config.yaml", f"--web.config.file={folder}/web.yaml"
        code = cli.main([*files, "--web.listen-address=127.0.0.1:0", "--log.level=error", *flags])
        return code, *capsys.readouterr()

    return check
