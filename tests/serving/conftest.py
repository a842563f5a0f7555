"""Files for web configurations."""

import os
from pathlib import Path

import pytest

from tests.certificates import Authority, openssl


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys, good ones and others, and a configuration that polls nothing."""
    folder = tmp_path_factory.mktemp("web")
    authority = Authority(folder)
    authority.issue("server")
    authority.issue("other")
    openssl("ec", "-in", f"{folder}/server.key", "-aes128", "-passout", "pass:x", "-out", f"{folder}/encrypted.key")
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    (folder / "config.yaml").write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    return folder
