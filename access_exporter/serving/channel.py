"""The bytes of a connection, as they are or inside TLS.

TLS here is the ssl module's own, between two buffers. The TLS of asyncio sends no alert where a handshake fails, cannot
refuse a resumed session, and keeps a buffer of 256 KB for each connection.
"""

import asyncio
import ssl
import time
from contextlib import suppress

# What is kept of an answer for a client that does not read it. The system keeps some more.
UNREAD_BYTES = 32 * 1024
_READ_BYTES = 16 * 1024  # at once: a request is small


class Channel:
    """Bytes that nothing protects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over a connection that was accepted."""
        self.transport = writer.transport
        self.transport.set_write_buffer_limits(UNREAD_BYTES)
        self._reader = reader
        self._writer = writer

    @property
    def client(self) -> str:
        """The client's address, or nothing if the client is already gone."""
        peer = self._writer.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    @property
    def is_full(self) -> bool:
        """Whether the client has to read before more can be sent."""
        return self.transport.get_write_buffer_size() > UNREAD_BYTES

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
