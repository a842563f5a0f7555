"""`--web.config.file` on the command line: each error is one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from access_exporter import cli
from tests.certificates import Authority, lock
from tests.processes import ROOT
from tests.secured import HASH, install, write

ERRORS = {
    "tls_server_config: {cert_file: a}": (
        "tls_server_config.key_file: required, but missing; set it, or set key to the PEM text"
    ),
    "basic_auth_users: {prometheus: secret-word}": (
        "basic_auth_users: expected a bcrypt hash for user 1, such as `htpasswd -nBC 10 ''` prints"
    ),
    "basic_auth_users: [a]": "basic_auth_users: expected a mapping, got a list",
    "- a": (
        "expected a mapping with the keys tls_server_config, http_server_config, basic_auth_users, "
        "auth_excluded_paths, rate_limit"
    ),
    "http_server_config: {headers: {X-Powered-By: me}}": (
        "http_server_config.headers: the header `X-Powered-By` is not supported; "
        "expected one of Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
        "X-XSS-Protection"
    ),
    'http_server_config: {headers: {X-Frame-Options: "a\\nb"}}': (
        "http_server_config.headers.X-Frame-Options: expected printable ASCII characters, and no space at either end"
    ),
    "tls_server_config: {cert_file: tls.crt, key_file: tls.key, min_version: TLS13, max_version: TLS12}": (
        "tls_server_config.max_version: expected min_version or higher"
    ),
    "tls_server_config: {cert_file: nowhere.crt, key_file: tls.key}": (
        "tls_server_config.cert_file: the file `nowhere.crt` cannot be read: No such file or directory"
    ),
    "tls_server_config: {cert_file: web.yaml, key_file: tls.key}": (
        "tls_server_config.cert_file: expected the certificate in PEM, "
        "and in key_file its key in PEM without a password"
    ),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_one_line(
    text: str, authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each error is one line with the file, the key and the expected value, exit code 1, and no secret."""
    install(authority, tmp_path)
    config = write(tmp_path / "web.yaml", text + "\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 1
    assert capsys.readouterr().err == f"cloudflare-access-exporter: {config}: {ERRORS[text]}\n"


@pytest.mark.parametrize(("key", "value"), [("min_version", "TLS11"), ("client_auth_type", "RequireAnyClientCert")])
def test_unsupported_values(key: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unsupported value is an error that names the key."""
    config = write(tmp_path / "web.yaml", f"tls_server_config: {{cert_file: a, key_file: b, {key}: {value}}}\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 1
    assert f"tls_server_config.{key}: " in capsys.readouterr().err


def test_encrypted_key(authority: Authority, tmp_path: Path) -> None:
    """An encrypted key is an error, and the command does not ask for its password."""
    install(authority, tmp_path)
    lock(tmp_path / "tls.key", tmp_path / "locked.key")
    config = write(tmp_path / "web.yaml", "tls_server_config: {cert_file: tls.crt, key_file: locked.key}\n")
    command = [sys.executable, "exporter.py", "--demo", "--config.check", f"--web.config.file={config}"]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert checked.returncode == 1
    assert "without a password" in checked.stderr


def test_check_describes_the_web_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--config.check describes the web configuration in one line, without a secret."""
    config = write(tmp_path / "web.yaml", f"basic_auth_users: {{prometheus: '{HASH}'}}\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("web: no TLS, basic auth for 1 user, no headers\n")
    assert HASH not in out
