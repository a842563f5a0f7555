"""Parts of web configuration files, and a check for error messages."""

from collections.abc import Callable
from pathlib import Path

HASH = "$2b$04$bY1.PFgqoDWgcdi9pvXDTOs1ABTRPNl.vBS5sr2kJ3W6u4TJ1AoCW"  # of "pw"

PEM = "tls_server_config.cert_file: expected the certificate in PEM, and in key_file its key in PEM without a password"


def tls(more: str = "", *, cert: str = "server.pem", key: str = "server.key") -> str:
    return f"tls_server_config: {{cert_file: {cert}, key_file: {key}{', ' * bool(more)}{more}}}\n"


def refuses(check: Callable[..., tuple[int, str, str]], folder: Path, content: str, expected: str) -> None:
    """Expect one line on standard error and exit code 1, both at a start and with --config.check."""
    line = f"cloudflare-access-exporter: {folder}/web.yaml: {expected}\n"
    assert check(content, "--config.check") == (1, "", line)
    assert check(content) == (1, "", line)
