"""A firewall or load balancer between the exporter and a server, which drops idle connections silently."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Middlebox:
    """Forwards connections to a server until it forgets them; then it discards all their data."""

    def __init__(self, listener: socket.socket, server: tuple[str, int]) -> None:
        """Set up the forwarding; `run` starts it."""
        self.connections = 0
        self._listener = listener
        self._server = server
        self._era = 0
        self._sockets: list[socket.socket] = []

    def forget(self) -> None:
        """Stop forwarding the existing connections; new connections are forwarded."""
        self._era += 1

    def run(self) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, target, self._era), daemon=True).start()

    def close(self) -> None:
        """Close all connections."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _forward(self, source: socket.socket, target: socket.socket, era: int) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if era == self._era:
                    target.sendall(data)
            if era == self._era:
                target.shutdown(socket.SHUT_WR)


@contextmanager
def middlebox(url: str) -> Iterator[tuple[Middlebox, str]]:
    """Run a middlebox during a `with` block, and return it with the address to use instead of the server's."""
    address = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        between = Middlebox(listener, (str(address.hostname), address.port or 0))
        thread = threading.Thread(target=between.run, daemon=True)
        thread.start()
        try:
            yield between, address._replace(netloc=f"127.0.0.1:{listener.getsockname()[1]}").geturl()
        finally:
            between.close()
            thread.join(10)
