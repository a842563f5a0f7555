"""Pieces of web configuration files."""

HASH = "$2b$04$bY1.PFgqoDWgcdi9pvXDTOs1ABTRPNl.vBS5sr2kJ3W6u4TJ1AoCW"  # of "pw"

PEM = "tls_server_config.cert_file: expected the certificate in PEM, and in key_file its key in PEM without a password"


def tls(more: str = "", *, cert: str = "server.pem", key: str = "server.key") -> str:
    return f"tls_server_config: {{cert_file: {cert}, key_file: {key}{', ' * bool(more)}{more}}}\n"
