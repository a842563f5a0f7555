"""The web server: it accepts connections on all listening sockets, answers requests, and stops.

The server limits what clients can use: time (connection.py), waiting connections and their bytes (waiting.py), and
large responses (answers.py). So a scrape always gets a connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

from access_exporter.serving.answers import MAX_ANSWERS, Answers
from access_exporter.serving.channel import Channel, TlsChannel
from access_exporter.serving.connection import MAX_HEAD_BYTES, Connection
from access_exporter.serving.messages import Application
from access_exporter.serving.waiting import Waiting, allowed_connections

STOP_SECONDS = 3  # at a stop, requests in progress have this long to get a response
TRY_AGAIN_SECONDS = 1  # wait after an error in accept, such as too many open files
_STEPS_TO_ANSWER = 10  # steps of the event loop, enough to read a request that a new connection has already sent


class Server:
    """Serves an application until it is stopped."""

    def __init__(
        self,
        application: Application,
        context: Callable[[], ssl.SSLContext | None],
        most_answers: int = MAX_ANSWERS,
    ) -> None:
        """`context` returns the TLS context for each new connection, or None for a connection without TLS."""
        self._application = application
        self._context = context
        most_waiting = allowed_connections()
        self._waiting = Waiting(most_waiting)
        self._answers = Answers(most_answers)
        self._at_once = 1 + most_waiting // 10  # few enough that the server reads from each before it may drop one
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End `serve`. Call this in its event loop."""
        self._stopped.set()

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Accept connections and answer their requests until `stop` is called, then close the listeners."""
        for listener in listeners:
            listener.settimeout(0)
            self._start_accepting(listener)
        await self._stopped.wait()
        for listener in listeners:
            asyncio.get_running_loop().remove_reader(listener)
            self._accept(listener)  # connections that have arrived meanwhile
            listener.close()
        for _ in range(_STEPS_TO_ANSWER):
            await asyncio.sleep(0)
        await self._end_connections()

    def _start_accepting(self, listener: socket.socket) -> None:
        if not self._stopped.is_set():
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(self._at_once):
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):  # no client waits, or the client has already gone
                return
            except OSError:
                loop = asyncio.get_running_loop()
                loop.remove_reader(listener)
                loop.call_later(TRY_AGAIN_SECONDS, self._start_accepting, listener)
                return
            task = asyncio.create_task(self._serve(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=accepted, limit=MAX_HEAD_BYTES)
        context = self._context()
        channel = TlsChannel(reader, writer, context) if context else Channel(reader, writer)
        connection = Connection(channel, self._application, self._waiting, self._answers)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    async def _end_connections(self) -> None:
        for connection in self._connections:
            connection.hang_up()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for connection in self._connections:  # those that did not end in time
            connection.abort()
        for task in self._tasks:
            task.cancel()
