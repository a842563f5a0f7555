"""TCP keep-alive: the system sends packets on an idle connection, so that no firewall drops the connection."""

import socket

# Some firewalls drop an idle connection after four minutes. TCP_KEEPALIVE is the name of TCP_KEEPIDLE on macOS.
_SECONDS_AND_TRIES = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}

# The arguments for the method `setsockopt` of a socket.
SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, int(getattr(socket, name)), value)
        for name, value in _SECONDS_AND_TRIES.items()
        if hasattr(socket, name)
    ),
]
