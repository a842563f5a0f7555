"""Files for web configurations, and a real process to serve them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority, lock
from tests.processes import Exporter, exporter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys, good ones and others, and a configuration that polls nothing."""
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
    """A real process, which has nothing to say at the end but what it said at the start."""
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
