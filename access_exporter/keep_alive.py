"""TCP keep-alive: what the system sends on a connection without traffic, so that nothing on the way forgets it."""

import socket

# Firewalls forget connections after as little as four minutes. macOS has another name for the first.
_SECONDS_AND_TRIES = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}

# Options of a socket, as its method `setsockopt` takes them.
SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, int(getattr(socket, name)), value)
        for name, value in _SECONDS_AND_TRIES.items()
        if hasattr(socket, name)
    ),
]
