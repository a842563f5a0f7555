"""One connection: it answers requests one after the other, with a deadline for each step.

A missed deadline aborts the connection, which ends all waits for the client. It does not cancel the work on the
response: a reload or a password check that has started counts towards its limit until it ends.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import unquote

import h11

from access_exporter.serving.answers import Answers
from access_exporter.serving.channel import LONGEST_LOOK_SECONDS, SHORTEST_LOOK_SECONDS, Channel
from access_exporter.serving.messages import Application, Request, Response
from access_exporter.serving.turns import Turn
from access_exporter.serving.waiting import Waiting

HANDSHAKE_SECONDS = 10
REQUEST_SECONDS = 10
ANSWER_SECONDS = 30
KEEP_ALIVE_SECONDS = 75  # longer than a usual scrape interval
CLOSE_SECONDS = 3  # time to send the rest of a response before the connection closes
MAX_HEAD_BYTES = 16 * 1024
MAX_HEAD_LINES = 200  # parsing a line takes 1 µs, and a thousand requests at once must not delay a scrape
PIECE_BYTES = 32 * 1024
PIECES_AT_ONCE = 8  # after these, other clients have their turn, even if this client reads fast
# The request headers that pages read. Other headers are not kept, because thousands of requests may wait in memory.
HEADERS = frozenset(("accept", "accept-encoding", "authorization", "host", "origin", "sec-fetch-site"))


class Connection:
    """The connection of a client, from the handshake to the end."""

    def __init__(self, channel: Channel, application: Application, waiting: Waiting, answers: Answers) -> None:
        """Count the connection as waiting, but do not read from it yet."""
        self.unread_since: float | None = None
        self.was_refused = False
        self.at_end: Callable[[], None] | None = None
        self._channel = channel
        self._application = application
        self._waiting = waiting
        self._answers = answers
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._deadline: asyncio.TimerHandle | None = None
        self._turn: asyncio.Future[Turn] | None = None  # the turn that the client waits for
        self._is_answering = False
        self._is_resting = False  # between two requests
        self._is_last = False  # the connection closes after the current request
        waiting.add(self)

    @property
    def address(self) -> str:
        """The network address of the client; its connections and turns count together."""
        return self._channel.address

    @property
    def untaken(self) -> int:
        """The number of bytes that were sent but that the client has not received yet."""
        return self._channel.untaken

    async def serve(self) -> None:
        """Answer requests until the client or a deadline ends the connection."""
        try:
            with suppress(OSError):  # the connection is lost
                self._allow(HANDSHAKE_SECONDS)
                await self._channel.open()
                self._allow(REQUEST_SECONDS)
                await self._answer_all()
                await self._channel.taken()  # after close, the server could not limit the unread bytes
        finally:
            self._note_end()
            self._answers.end(self)
            self._channel.close()
            await self._channel.wait_closed()  # the deadline also ends this wait
            self._forget_deadline()
            self._waiting.remove(self)

    def hang_up(self) -> None:
        """Close the connection, after the response in progress if there is one."""
        self._is_last = True
        if not self._is_answering:
            self._channel.close()
            self._allow(CLOSE_SECONDS)

    def abort(self) -> None:
        """Drop the connection."""
        self._channel.abort()
        self._note_end()
        if self._turn:
            self._turn.cancel()

    def _note_end(self) -> None:
        at_end, self.at_end = self.at_end, None
        if at_end:
            at_end()

    async def take_turn(self) -> None:
        """Wait for a turn to send a large response. Raises CancelledError if the client is dropped."""
        await self._answers.begin(self)

    async def wait(self, turn: asyncio.Future[Turn]) -> Turn:
        """Wait for a turn, and count as a waiting connection. The server drops it if the client closes it meanwhile."""
        self._turn = turn
        self._waiting.add(self)
        watch = asyncio.create_task(self._abort_if_closed())
        try:
            return await turn
        finally:
            watch.cancel()
            await asyncio.wait((watch,))
            self._waiting.remove(self)
            self._turn = None

    async def _abort_if_closed(self) -> None:
        """Drop a connection that the client closes. Answer no other request if the client sends one already."""
        with suppress(OSError):  # the connection is lost
            if await self._channel.read():
                self._is_last = True
                return
        self.abort()

    async def _answer_all(self) -> None:
        try:
            while not self._is_last and (request := await self._next_request()):
                await self._answer(request)
        except h11.RemoteProtocolError:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._is_last = True
                await self._send(Response("Bad request.\n", 400))

    async def _next_request(self) -> Request | None:
        """Return the next request, or None at the end. Raises h11.RemoteProtocolError if the bytes are not HTTP."""
        lines = 0
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                while isinstance(self._http.next_event(), h11.Data):
                    pass  # no page reads a body, but the part that has arrived must be valid HTTP
                return self._request(event)
            if isinstance(event, h11.EndOfMessage):  # the end of a body that arrived after the response was sent
                self._http.start_next_cycle()
            elif event is h11.NEED_DATA:
                data = await self._channel.read()
                if not data:
                    return None
                if self._is_resting:
                    self._is_resting = False
                    self._allow(REQUEST_SECONDS)
                lines += data.count(b"\n")
                self._receive(data, lines)

    def _receive(self, data: bytes, lines: int) -> None:
        if lines > MAX_HEAD_LINES and self._http.their_state is h11.IDLE:
            raise h11.RemoteProtocolError("the request has too many header lines")
        self._http.receive_data(data)

    async def _answer(self, request: Request) -> None:
        # A client that pipelines (sends the next request early) may never read a response: answer only this request.
        self._is_last = self._is_last or bool(self._http.trailing_data[0])
        self._is_answering = True
        self._waiting.remove(self)
        self._answers.taken(self)  # a client that asks again has received the last response
        self.unread_since = None
        self._allow(ANSWER_SECONDS)
        await self._send(await self._application(request), has_body=request.method != "HEAD")
        self._is_answering = False
        self._end_turn(SHORTEST_LOOK_SECONDS)
        self._waiting.add(self)
        self._is_resting = True
        self._allow(KEEP_ALIVE_SECONDS, self._end_rest)  # time to read the response and to ask again
        if self._http.our_state is not h11.DONE:  # the client wants no other response
            self._is_last = True
        elif self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    async def _send(self, response: Response, *, has_body: bool = True) -> None:
        parts = response.parts()
        headers = {
            **response.headers,
            "content-type": response.content_type,
            "content-length": str(sum(map(len, parts))),
            **({"connection": "close"} if self._is_last else {}),
        }
        head = h11.Response(
            status_code=response.status, headers=list(headers.items()), reason=HTTPStatus(response.status).phrase
        )
        unsent = self._http.send(head) or b""
        if has_body:
            self._answers.hold(self, parts)
        for number, piece in enumerate(pieces(parts) if has_body else (), start=1):
            await self._write(unsent + (self._http.send(h11.Data(piece)) or b""))
            unsent = b""
            if number % PIECES_AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._write(unsent + (self._http.send(h11.EndOfMessage()) or b""))

    async def _write(self, data: bytes) -> None:
        """Send bytes. While the client does not read, its connection counts as waiting and may be dropped."""
        if data:
            self._channel.write(data)
        if not self._channel.is_full:
            await self._channel.drain()  # raises OSError if the client is gone
            return
        self.unread_since = asyncio.get_running_loop().time()
        self._waiting.add(self)
        await self._channel.drain()
        self._waiting.remove(self)
        self.unread_since = None

    def _end_turn(self, look_again: float) -> None:
        """End the turn of a response if the client has received all of it; else look again in `look_again` seconds."""
        if self._is_answering or self not in self._answers:
            return
        if not self._channel.untaken:
            self.unread_since = None
            self._answers.taken(self)
            return
        loop = asyncio.get_running_loop()
        self.unread_since = self.unread_since or loop.time()
        loop.call_later(look_again, self._end_turn, min(2 * look_again, LONGEST_LOOK_SECONDS))

    def _end_rest(self) -> None:
        if self._channel.untaken:
            self.abort()
        else:
            self.hang_up()

    def _allow(self, seconds: float, or_else: Callable[[], None] | None = None) -> None:
        """Set the deadline of the next step, in seconds. After it, call `or_else`; by default, abort the connection."""
        self._forget_deadline()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(seconds, or_else or self.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _request(self, head: h11.Request) -> Request:
        target, _, query = head.target.decode("latin-1").partition("?")
        headers: dict[str, list[str]] = {}
        for raw, value in head.headers:
            if (name := raw.decode("latin-1")) in HEADERS:
                headers.setdefault(name, []).append(value.decode("latin-1"))
        sent = {name: ", ".join(values) for name, values in headers.items()}  # RFC 9110, section 5.3: one list
        if target.startswith(("http://", "https://")):  # absolute form: RFC 9112, section 3.2.2
            sent["host"], _, path = target.partition("://")[2].partition("/")
            target = f"/{path}"
        return Request(head.method.decode("ascii"), unquote(target), query, sent, self)


def pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a response in pieces of 32 KiB. So the server copies one piece at a time, never the whole page.

    All pieces except the last are full, even if the parts are small, because each piece costs a system call. Every
    system call releases Python's global interpreter lock, and a scrape has to wait for it while a poll computes.
    """
    piece = b""
    for part in parts:
        rest = memoryview(part)
        while len(piece) + len(rest) > PIECE_BYTES:
            room = PIECE_BYTES - len(piece)
            yield piece + rest[:room]
            piece, rest = b"", rest[room:]
        piece += rest
    yield piece
