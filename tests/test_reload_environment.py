"""A reload of an exporter without a configuration file."""

import os
import signal
from pathlib import Path

import requests

from tests.config_files import ENVIRON, SECRET
from tests.processes import exporter

CLOSED_PROXY = "http://127.0.0.1:9"  # a proxy that refuses connections, so no request leaves this machine


def test_a_reload_without_a_file(tmp_path: Path) -> None:
    """SIGHUP reads the token file again; if it is missing, the old configuration stays, and a later SIGHUP recovers."""
    token = tmp_path / "token"
    token.write_text(SECRET, encoding="utf-8")
    environ = {
        "CLOUDFLARE_ACCOUNT_ID": ENVIRON["CLOUDFLARE_ACCOUNT_ID"],
        "CLOUDFLARE_API_TOKEN_FILE": str(token),
        "CLOUDFLARE_ACCESS_SEAT_LIMIT": "50",
        "HTTPS_PROXY": CLOSED_PROXY,
    }
    with exporter(environ=environ, folder=tmp_path) as running:
        assert running.wait_for("configuration loaded")["accounts"] == 1
        token.unlink()
        os.kill(running.process.pid, signal.SIGHUP)
        failed = running.wait_for("configuration not loaded")["error"]
        assert failed.startswith("CLOUDFLARE_API_TOKEN_FILE: ")
        page = requests.get(f"{running.url}/metrics", timeout=10).text
        assert "cloudflare_access_exporter_config_last_reload_successful 0.0" in page
        assert 'account_id="023e105f4ecef8ad9ca31a8372d0c353"' in page
        token.write_text(SECRET, encoding="utf-8")
        os.kill(running.process.pid, signal.SIGHUP)
        running.wait_for("configuration loaded")


def test_a_file_that_was_deleted(tmp_path: Path) -> None:
    """If the configuration file was deleted, a reload is an error; environment variables do not replace the file."""
    file = tmp_path / "config.yaml"
    file.write_text("accounts: [{id: of-the-file, api_token: x}]\n", encoding="utf-8")
    environ = {name: ENVIRON[name] for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")}
    with exporter(environ=environ | {"HTTPS_PROXY": CLOSED_PROXY}, folder=tmp_path) as running:
        file.unlink()
        os.kill(running.process.pid, signal.SIGHUP)
        failed = running.wait_for("configuration not loaded")["error"]
        assert failed == "config.yaml: cannot be read: No such file or directory"
        assert 'account_id="of-the-file"' in requests.get(f"{running.url}/metrics", timeout=10).text
