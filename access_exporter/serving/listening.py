"""Opens the listening sockets for the given addresses, or fails with an error that says what to do."""

import errno
import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias

from access_exporter import keep_alive
from access_exporter.addresses import DEFAULT_PORT, LARGEST_PORT, Address
from access_exporter.errors import CommandError

SEND_BUFFER_BYTES = 128 * 1024  # limits the bytes in the system's buffer for a client that does not read
RECEIVE_BUFFER_BYTES = 32 * 1024  # limits the bytes of requests that the exporter has not read yet
_MISSING = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)  # this machine has no IPv6, or not this address
Place: TypeAlias = tuple[Any, ...]  # Any: a host, a port and, for IPv6, two more numbers
_ANY = {"", "0.0.0.0", "::"}  # noqa: S104 – only compared with, the exporter does not listen on these


def listen(addresses: Iterable[Address]) -> list[socket.socket]:
    """Open listening sockets for all addresses. Raises CommandError, and opens no socket, if one address fails."""
    listeners: list[socket.socket] = []
    with ExitStack() as opened:
        for address in addresses:
            try:
                _open(address, listeners, opened)
            except OSError as error:
                raise CommandError(f"cannot listen on {address}: {_explained(error, address, listeners)}") from None
        opened.pop_all()
    return listeners


def _open(address: Address, listeners: list[socket.socket], opened: ExitStack) -> None:
    """Add a socket for each IPv4 and IPv6 address of the host, except for addresses that this machine does not have."""
    before = len(listeners)
    missing: OSError | None = None
    for family, place in _places(address):
        try:
            listeners.append(opened.enter_context(_socket(family, place)))
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            missing = error
        else:
            if not address.host:  # the IPv6 socket also serves IPv4
                return
    if missing and len(listeners) == before:
        raise missing


def _places(address: Address) -> Iterable[tuple[int, Place]]:
    """Return the address family and the socket address for each address of the host."""
    if not address.host:
        families = (socket.AF_INET6, socket.AF_INET) if socket.has_dualstack_ipv6() else (socket.AF_INET,)
        return [(family, ("", address.port)) for family in families]
    # As bytes, because Python's encoding of host names raises an error for names that it considers malformed.
    found = socket.getaddrinfo(address.host.encode("ascii"), address.port, type=socket.SOCK_STREAM)
    return dict.fromkeys((family, place) for family, _, _, _, place in found)


def _socket(family: int, place: Place) -> socket.socket:
    is_dual = family == socket.AF_INET6 and not place[0]
    listener = socket.create_server(place, family=family, dualstack_ipv6=is_dual, backlog=socket.SOMAXCONN)
    # Every connection inherits these options. Without TCP_NODELAY, the second half of a response is delayed until the
    # client acknowledges the first half.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    for option in keep_alive.SOCKET_OPTIONS:
        listener.setsockopt(*option)
    return listener


def _explained(error: OSError, address: Address, listeners: Sequence[socket.socket]) -> str:
    """Return why the exporter cannot listen on an address, and what to do about it."""
    other = address._replace(port=address.port + 1 if 1024 <= address.port < LARGEST_PORT else DEFAULT_PORT)
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved ({error.strerror}); check its spelling, or give an IP address"
    if error.errno == errno.EADDRINUSE and _is_served(address, listeners):
        return "another --web.listen-address serves it already; leave one of the two out"
    if error.errno == errno.EADDRINUSE:
        return f"the port is in use; choose another one, such as --web.listen-address={other}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this process may not use the port; choose another one, such as --web.listen-address={other}"
    if error.errno in _MISSING:
        every = Address(port=address.port)
        return f"this machine does not have the address; --web.listen-address={every} serves all its addresses"
    return os.strerror(error.errno or 0)


def _is_served(address: Address, listeners: Iterable[socket.socket]) -> bool:
    """Return whether one of these sockets already serves an address of the host."""
    served = {listener.getsockname()[0] for listener in listeners if listener.getsockname()[1] == address.port}
    hosts = {place[0] for _, place in _places(address)}
    return bool(served) and bool(served & hosts or _ANY & (served | hosts))
