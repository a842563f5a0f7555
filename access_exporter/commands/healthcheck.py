"""Checks whether the exporter answers: python -m access_exporter.commands.healthcheck [ADDRESS …].

An address is a port, or an address as in `--web.listen-address`. Exits with 0 if the exporter answers at each address,
and with 1 otherwise. The check needs no credential. It accepts a 401 of basic auth, a 429 of the rate limit, and a TLS
alert that asks for a client certificate: only a running exporter answers so. The check does not verify the certificate
of the server, because it sends no secret. It connects to another machine only if an address names one, as in `helm
test`.
"""

import http.client
import ssl
import sys
from collections.abc import Sequence

from access_exporter.addresses import Address

TIMEOUT_SECONDS = 4
# Where to reach a server that listens on all addresses.
_EVERYWHERE = {"": ("127.0.0.1", "::1"), "0.0.0.0": ("127.0.0.1",), "::": ("::1",)}  # noqa: S104 – this code does not listen


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every address, and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        addresses = [Address.parse(each if ":" in each else f":{each}") for each in given] or [Address()]
    except ValueError as error:
        sys.stderr.write(f"access_exporter.commands.healthcheck: expected a port or an address; {error}\n")
        return 2
    return int(not all(map(_is_healthy, addresses)))


def _is_healthy(address: Address) -> bool:
    try:
        return _status(address) in (200, 401, 429)
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except (OSError, http.client.HTTPException):
        return False


def _status(address: Address) -> int:
    *others, last = _EVERYWHERE.get(address.host, (address.host,))
    for host in others:
        try:
            return _status_at(host, address.port)
        except ConnectionRefusedError:  # the server may listen on the other loopback address only
            pass
    return _status_at(last, address.port)


def _status_at(host: str, port: int) -> int:
    """Return the HTTP status of the response. Try HTTP first, and then HTTPS."""
    try:
        return _ask(http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS))
    except (http.client.HTTPException, ConnectionError):  # a TLS server may close a plain connection at any time
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
