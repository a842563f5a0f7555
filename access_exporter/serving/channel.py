"""The bytes of a connection, as they are or inside TLS.

TLS here is the ssl module's own, between two buffers. The TLS of asyncio sends no alert where a handshake fails, cannot
refuse a resumed session, and keeps a buffer of 256 KB for each connection.
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

# What is kept of an answer for a client that does not read it. The system keeps some more.
UNREAD_BYTES = 32 * 1024
_READ_BYTES = 16 * 1024  # at once: a request is small
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of socket(7): forget what was not taken
SHORTEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.001, 0.25


class Channel:
    """Bytes that nothing protects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over a connection that was accepted."""
        self.transport = writer.transport
        self.transport.set_write_buffer_limits(UNREAD_BYTES)
        self._reader = reader
        self._writer = writer
        self._socket = writer.get_extra_info("socket")
        self.address = _address(writer.get_extra_info("peername"))

    @property
    def is_full(self) -> bool:
        """Whether the client has to read before more can be sent."""
        return self.transport.get_write_buffer_size() > UNREAD_BYTES

    @property
    def untaken(self) -> int:
        """The bytes that were sent and that the client's system has not taken yet."""
        if self.transport.is_closing():
            return 0
        return self.transport.get_write_buffer_size() + _in_the_system(self._socket)

    async def open(self) -> None:
        """Do what comes before the first request. Raises OSError if the client cannot or does not want to."""

    async def read(self) -> bytes:
        """Return the next bytes, or nothing at the end. Raises OSError if the connection is lost."""
        return await self._reader.read(_READ_BYTES)

    def write(self, data: bytes) -> None:
        """Send bytes, as soon as the client reads them."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until more can be sent. Raises OSError if the connection is lost."""
        await self._writer.drain()

    async def taken(self) -> None:
        """Wait until the client's system has taken all that was written, or the connection is lost."""
        seconds = SHORTEST_LOOK_SECONDS
        while self.untaken:
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_LOOK_SECONDS)

    def abort(self) -> None:
        """Drop the connection, and what the system still holds of it, which would otherwise stay for minutes."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def close(self) -> None:
        """Send nothing more after what was written."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until all was sent and the connection is closed."""
        with suppress(OSError):  # lost before that
            await self._writer.wait_closed()


class TlsChannel(Channel):
    """Bytes inside TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        """Send and receive nothing yet."""
        super().__init__(reader, writer)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def open(self) -> None:
        """Shake hands. Raises ssl.SSLError, which is an OSError, if that fails."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._receive()
        self._flush()
        certificate = self._tls.getpeercert()
        # OpenSSL does not look at it again when a session is resumed.
        if certificate and ssl.cert_time_to_seconds(str(certificate["notAfter"])) < time.time():
            raise ssl.SSLCertVerificationError("resumed with a certificate that has expired meanwhile")

    async def read(self) -> bytes:
        """Return the next bytes, or nothing at the end. Raises OSError if the connection is lost or is no TLS."""
        while True:
            try:
                return self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                await self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # with and without a goodbye
                return b""

    def write(self, data: bytes) -> None:
        """Send bytes, as soon as the client reads them. Raises ssl.SSLError after `close`."""
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        """Send nothing more after what was written, but an alert or a goodbye."""
        if not self.transport.is_closing():
            with suppress(ssl.SSLError):  # the client's own goodbye is not waited for
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
    """Return whose share a client counts for: its IPv4 address, or the /64 of its IPv6 address, which is one network.

    It is empty where the client was gone before it was accepted.
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
    """Return how many bytes of a connection the system holds because the client's has not taken them."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    except (OSError, ValueError):  # closed meanwhile, or a system that does not tell
        return 0
