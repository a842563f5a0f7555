"""Tells whether the exporter on this machine answers: python -m access_exporter.healthcheck [PORT].

Exits 0 where it is healthy, 1 otherwise. It needs no credential: behind basic auth a 401 is the answer of a living
exporter, and behind TLS a handshake is. The certificate is not looked at: the connection never leaves the machine.
"""

import http.client
import ssl
import sys

TIMEOUT_SECONDS = 4


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    port = int(arguments[0]) if arguments else 10060
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    secure = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)
    return int(not (_is_alive(plain) or _is_alive(secure)))


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status in (200, 401)
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it asks for a client certificate, so it is there
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
