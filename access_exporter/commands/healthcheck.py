"""Tells whether an exporter answers: python -m access_exporter.commands.healthcheck [PORT [HOST]].

Exits 0 where it is healthy, 1 otherwise. It needs no credential: behind basic auth a 401 is the answer of a living
exporter, behind a rate limit a 429, and so is behind TLS the demand for a client certificate. The server's certificate
is not checked: no secret is sent, and the connection does not leave the machine or, for `helm test`, the cluster.
"""

import argparse
import http.client
import ssl
import sys
from collections.abc import Sequence

TIMEOUT_SECONDS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog=f"{__package__}.healthcheck", description="Asks whether the exporter lives.")
    parser.add_argument("port", nargs="?", type=int, default=10060, help="port to ask (default: 10060)")
    parser.add_argument("host", nargs="?", default="", help="host to ask (default: this machine)")
    asked = parser.parse_args(arguments)
    try:
        return int((_status_at(asked.host, asked.port) if asked.host else _status(asked.port)) not in (200, 401, 429))
    except ssl.SSLError as error:
        return int("ALERT" not in (error.reason or ""))
    except (OSError, OverflowError, http.client.HTTPException):
        return 1


def _status(port: int) -> int:
    try:
        return _status_at("127.0.0.1", port)
    except ConnectionRefusedError:  # it may listen on the other loopback address only
        return _status_at("::1", port)


def _status_at(host: str, port: int) -> int:
    """Return the status of the answer, which is asked for over TLS where the port does not speak HTTP."""
    try:
        return _ask(http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS))
    except (http.client.HTTPException, ConnectionError):  # the goodbye to what is no TLS may come at any moment
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return _ask(http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context))


def _ask(connection: http.client.HTTPConnection) -> int:
    try:
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
