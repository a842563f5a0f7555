"""Reads and writes the bytes of a connection, with or without TLS.

The TLS channel uses the ssl module with two memory buffers, not the TLS of asyncio. The TLS of asyncio sends no alert
when a handshake fails, cannot refuse a resumed session, and keeps a buffer of 256 KB for each connection.
"""

import asyncio
import fcntl
import ipaddress
import socket
import ssl
import struct
import termios
import time
from contextlib import suppress

# The bytes of a response that the process buffers for a client that does not read. The socket buffers hold more.
UNREAD_BYTES = 32 * 1024
_READ_BYTES = 16 * 1024  # for one read: requests are small
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of socket(7): discard the unsent bytes
SHORTEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.001, 0.25


class Channel:
    """A connection without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over an accepted connection."""
        self.transport = writer.transport
        self.transport.set_write_buffer_limits(UNREAD_BYTES)
        self._reader = reader
        self._writer = writer
        self._socket = writer.get_extra_info("socket")
        self.address = _address(writer.get_extra_info("peername"))

    @property
    def is_full(self) -> bool:
        """Whether the buffer is full: the client has to read before the server writes more."""
        return self.transport.get_write_buffer_size() > UNREAD_BYTES

    @property
    def untaken(self) -> int:
        """The number of bytes that were written but that the client's system has not acknowledged yet."""
        if self.transport.is_closing():
            return 0
        return self.transport.get_write_buffer_size() + _in_the_system(self._socket)

    async def open(self) -> None:
        """Do the TLS handshake if there is one. Raises OSError if it fails."""

    async def read(self) -> bytes:
        """Return the next bytes, or b"" at the end. Raises OSError if the connection is lost."""
        return await self._reader.read(_READ_BYTES)

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent as fast as the client reads them."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the buffer has room. Raises OSError if the connection is lost."""
        await self._writer.drain()

    async def taken(self) -> None:
        """Wait until the client's system has acknowledged all written bytes, or the connection is lost."""
        seconds = SHORTEST_LOOK_SECONDS
        while self.untaken:
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_LOOK_SECONDS)

    def abort(self) -> None:
        """Drop the connection and its unsent bytes, which the system would otherwise keep for minutes."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def close(self) -> None:
        """Close the connection after the bytes that were written."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until all bytes are sent and the connection is closed."""
        with suppress(OSError):  # the connection was lost first
            await self._writer.wait_closed()


class TlsChannel(Channel):
    """A connection with TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        """Take over an accepted connection; `open` starts the handshake."""
        super().__init__(reader, writer)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def open(self) -> None:
        """Do the TLS handshake. Raises ssl.SSLError, which is an OSError, if it fails."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._receive()
        self._flush()
        certificate = self._tls.getpeercert()
        # OpenSSL does not check the expiry again when a client resumes a session.
        if certificate and ssl.cert_time_to_seconds(str(certificate["notAfter"])) < time.time():
            raise ssl.SSLCertVerificationError("the client resumed a session, but its certificate has expired")

    async def read(self) -> bytes:
        """Return the next bytes, or b"" at the end. Raises OSError if the connection is lost or does not use TLS."""
        while True:
            try:
                return self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                await self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # with and without close_notify
                return b""

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent as fast as the client reads them. Raises ssl.SSLError after `close`."""
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        """Send a TLS alert (such as close_notify) after the bytes that were written, and close the connection."""
        if not self.transport.is_closing():
            with suppress(ssl.SSLError):  # the server does not wait for the client's close_notify
                self._tls.unwrap()
            self._flush()
        super().close()

    async def _receive(self) -> None:
        self._flush()
        await self.drain()
        data = await self._reader.read(_READ_BYTES)
        if not data:
            raise ssl.SSLEOFError("the client has closed the connection")
        self._incoming.write(data)

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._writer.write(data)


def _address(peer: tuple[str, int] | None) -> str:
    """Return the address that a client's turns count for: its IPv4 address, or the /64 network of its IPv6 address.

    Return an empty string if the client was gone before the server accepted the connection.
    """
    if not peer:
        return ""
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def _in_the_system(connection: socket.socket) -> int:
    """Return the bytes in the socket's send buffer, which the client's system has not acknowledged."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    except (OSError, ValueError):  # closed meanwhile, or not supported by this system
        return 0
