"""Answers over real connections: however large, slow, broken or strange they are, and through proxies and TLS."""

import errno
import gzip
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from access_exporter.cloudflare import sending, transport
from access_exporter.simulator import Handler, Request, Response, Simulator
from tests.api_client import POLICY_TEST, READ_TESTS, Anything, Bench, Script, reset, simulator
from tests.fakes import START, FakeClock
from tests.faults import says_after

pytestmark = pytest.mark.usefixtures("no_proxy")


OK = "HTTP/1.1 200 OK"
CHUNKED = "Transfer-Encoding: chunked"


def sends(*lines: str) -> Callable[[Handler], None]:
    """Send these lines, and nothing after them."""

    def send(handler: Handler) -> None:
        handler.wfile.write("\r\n".join(lines).encode())

    return send


def answers(body: bytes, encoding: str = "identity") -> Callable[[Handler], None]:
    """Give a whole answer with this body."""
    return lambda handler: handler.send(Response(200, body, {"Content-Encoding": encoding}))


MEGABYTE = b"planted " * (1 << 17)
GZIP_HEADER = gzip.compress(b"")[:10]
EMPTY_BLOCK = b"\0\0\0\xff\xff"  # of a compressed body, which has begun and unpacks to nothing yet


def endless_body(handler: Handler) -> None:
    """Send 200 MB."""
    sends(OK, f"Content-Length: {200 * len(MEGABYTE)}", "", "")(handler)
    for _ in range(200):
        handler.wfile.write(MEGABYTE)


def endless_chunks(handler: Handler) -> None:
    """Send 200 MB without saying how much it will be."""
    sends(OK, CHUNKED, "", "")(handler)
    for _ in range(200):
        handler.wfile.write(b"100000\r\n" + MEGABYTE + b"\r\n")


def gzip_bomb(status: str = "200 OK", *lines: str) -> Callable[[Handler], None]:
    """Send 200 MB in 200 KB."""
    body = gzip.compress(b" " * (200 << 20), compresslevel=1)

    def send(handler: Handler) -> None:
        sends(f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Encoding: gzip", *lines, "", "")(handler)
        handler.wfile.write(body)

    return send


def redirect_with_endless_body(handler: Handler) -> None:
    """Send 200 MB with a redirect, which nobody needs to read."""
    sends("HTTP/1.1 302 Found", f"Content-Length: {200 * len(MEGABYTE)}", "Location: /client/v4", "", "")(handler)
    for _ in range(200):
        handler.wfile.write(MEGABYTE)


class TestSize:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            pytest.param(endless_body, "is larger than 4194304 bytes; try a smaller api.page_size", id="body"),
            pytest.param(endless_chunks, "is larger than 4194304 bytes; try a smaller api.page_size", id="chunks"),
            pytest.param(gzip_bomb(), "is larger than 4194304 bytes; try a smaller api.page_size", id="gzip bomb"),
            pytest.param(gzip_bomb("403 Forbidden"), READ_TESTS, id="gzip bomb in a refusal"),
            pytest.param(gzip_bomb("302 Found", "Location: /"), "a redirect", id="gzip bomb in a redirect"),
            pytest.param(redirect_with_endless_body, "a redirect", id="body of a redirect"),
        ],
    )
    def test_bounded(self, fault: Callable[[Handler], None], words: str) -> None:
        """However much comes, in whatever form, little of it is kept, and the answer is refused."""
        with simulator(fault=fault) as server:
            bench = Bench(server.url)
            tracemalloc.start()
            try:
                message = bench.failure()
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert words in message
        assert peak < 30 << 20

    def test_largest(self) -> None:
        """An answer of four megabytes is still read."""
        body = b'{"success": true, "result": {}}'

        def large(handler: Handler) -> None:
            handler.send(Response(200, body.ljust(4 << 20)))

        with simulator(fault=large) as server:
            assert Bench(server.url).get() == Anything()


class TestTime:
    @pytest.fixture
    def end(self) -> Iterator[threading.Event]:
        """Ends what hangs when the test does."""
        end = threading.Event()
        yield end
        end.set()

    @pytest.mark.parametrize("slow_part", ["nothing", "head", "header", "body", "chunks", "gzip"])
    def test_slow(self, end: threading.Event, slow_part: str) -> None:
        """An answer that comes byte by byte is cut off at the timeout, wherever it is slow."""
        beginnings = {
            "nothing": b"",
            "head": b"",
            "header": b"HTTP/1.1 200 OK\r\nX-Planted: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n" + GZIP_HEADER,
        }
        drips = {"nothing": b"", "head": b"H", "chunks": b"1\r\n \r\n", "gzip": EMPTY_BLOCK}

        def drip(handler: Handler) -> None:
            handler.wfile.write(beginnings[slow_part])
            while not end.wait(0.02):
                handler.wfile.write(drips.get(slow_part, b" "))

        with simulator(fault=drip) as server:
            bench = Bench(server.url, timeout=0.15)
            started = time.monotonic()
            message = bench.failure(reason="timeout")
            took = time.monotonic() - started
            end.set()
        assert message == f"no whole answer of {POLICY_TEST.place} within 0.15 s"
        assert bench.codes() == {"timeout": 4}
        assert 4 * 0.15 <= took < 10

    def test_a_body_that_never_waits(self, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body that always has more to read is cut off at the timeout as well."""
        clock = FakeClock()
        monkeypatch.setattr(sending, "monotonic", clock.monotonic)

        class Trickle(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                clock.now += 1
                buffer[:1] = b" "
                return 1

        Script(mock, *((200, {}, io.BufferedReader(Trickle())) for _ in range(4)))
        assert Bench(timeout=5).failure(reason="timeout") == f"no whole answer of {POLICY_TEST.place} within 5 s"
        assert clock.now == START + 4 * 6

    def test_deadline_of_each_request(self) -> None:
        """The timeout bounds each request of a connection, not the connection."""
        with simulator() as server:
            bench = Bench(server.url, timeout=0.5)
            started = time.monotonic()
            while time.monotonic() < started + 0.7:
                bench.get()
        assert len({arrival.client for arrival in server.arrivals}) == 1
        assert bench.codes().keys() == {"200"}


class TestConnection:
    def test_one_connection(self) -> None:
        """Requests one after the other share a connection, with compressed answers too."""
        with simulator(users=5, compress=True, max_per_page=2) as server:
            assert Bench(server.url).rows() == ["0", "1", "2", "3", "4"]
        assert len({arrival.client for arrival in server.arrivals}) <= 4
        assert server.arrivals[0].headers["accept-encoding"] == "gzip"

    def test_more_than_was_asked_for(self) -> None:
        """A connection on which more comes than an answer is not used again: the next request would get the rest."""
        with simulator(fault=says_after(b"HTTP/1.1 200 OK\r\nContent-Len")) as server:
            bench = Bench(server.url)
            bench.get()
            bench.get()
        assert len({arrival.client for arrival in server.arrivals}) == 2

    def test_concurrency(self) -> None:
        """No more requests are in flight than configured, and no more connections open."""
        with simulator(users=40, max_per_page=1) as server:
            assert len(Bench(server.url, concurrency=3).rows()) == 40
        assert len({arrival.client for arrival in server.arrivals}) <= 3

    def test_no_retry_for_nobody(self) -> None:
        """After a page failed for good, no page that was asked for ahead of it is asked for again."""
        failed = threading.Event()

        def fail_later(handler: Handler) -> None:
            failed.wait(10)
            handler.send(Response(500, b"planted"))

        def fault(request: Request) -> Callable[[Handler], None] | None:
            if request.page == 3:
                return lambda handler: handler.send(Response(403, b"planted"))
            return fail_later if (request.page or 0) > 3 else None

        with simulator(users=40, max_per_page=1) as server:
            server.fault = fault
            bench = Bench(server.url)
            bench.failure(bench.rows, "permission")
            failed.set()
            for thread in threading.enumerate():
                if thread.name.startswith("page-"):
                    thread.join(10)
        asked = Counter(arrival.page for arrival in server.arrivals)
        assert set(asked.values()) == {1}

    def test_cookies(self) -> None:
        """Cookies are not sent back."""

        def cookie(handler: Handler) -> None:
            answer = handler.response()
            handler.send(replace(answer, headers={"Set-Cookie": "planted=cookie; Path=/"}))

        with simulator(fault=cookie) as server:
            bench = Bench(server.url)
            bench.get()
            bench.get()
        assert "cookie" not in server.arrivals[1].headers

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        "location", ["other", "same", "//[planted", "planted://", "http://user:planted@", "\xff\xfe", ""]
    )
    def test_redirect(self, status: int, location: str) -> None:
        """A redirect is an error, wherever it leads to, and the token never gets there."""

        def redirect(handler: Handler) -> None:
            target = {"other": other.url + "/planted", "same": server.url + "/planted"}.get(location, location)
            handler.send(Response(status, b"planted", {"Location": target}))

        with simulator() as other, simulator(fault=redirect) as server:
            bench = Bench(server.url)
            message = bench.failure(reason="invalid_response")
        assert message == f"{status} from {POLICY_TEST.place}: a redirect, which is never followed; check api.url"
        assert len(server.arrivals) == 1
        assert not other.arrivals
        assert bench.codes() == {str(status): 1}

    @pytest.mark.parametrize(
        ("fault", "reason", "words"),
        [
            (reset, "network", "the connection was reset"),
            (sends(), "network", "the connection was reset"),
            (sends("planted"), "network", "the answer was not HTTP or broke off"),
            (sends("\x16\x03\x01planted"), "network", "the answer was not HTTP or broke off"),
            (sends("HTTP/1.1 planted", "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, *["X: planted"] * 200, "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, "X: " + "planted" * 10_000, "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, "Content-Length: 100", "", ""), "network", "the answer broke off"),
            (sends(OK, "Content-Length: 100", "", '{"result": {}'), "network", "the answer broke off"),
            (sends(OK, CHUNKED, "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, CHUNKED, "", "planted", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, CHUNKED, "", "2", "{}", ""), "network", "the answer was not HTTP or broke off"),
            (answers(b'{"result": {'), "invalid_response", "is not JSON"),
            (answers(b"planted", "gzip"), "invalid_response", "cannot be unpacked"),
            (answers(b"planted", "br"), "invalid_response", "is not JSON"),
            (answers(gzip.compress(b'{"result": {}}')[:-12], "gzip"), "invalid_response", "is not JSON"),
            (answers(b"planted", ", ".join(["gzip"] * 50)), "invalid_response", "cannot be unpacked"),
        ],
    )
    def test_broken(self, fault: Callable[[Handler], None], reason: str, words: str) -> None:
        """A connection or an answer that breaks has its reason, in words that hold nothing of what was sent."""
        with simulator(fault=fault) as server:
            bench = Bench(server.url)
            message = bench.failure(reason=reason)
        assert words in message
        assert POLICY_TEST.place in message

    def test_refused(self) -> None:
        """A server that is not there refuses the connection."""
        with simulator() as server:
            url = server.url
        assert (
            Bench(url).failure(reason="network")
            == f"no whole answer of {POLICY_TEST.place}: the connection was refused"
        )

    def test_unknown_failure(self, mock: responses.RequestsMock) -> None:
        """A failure of a kind nobody foresaw is told without the words of the library."""
        Script(mock, requests.RequestException("planted"))
        message = Bench().failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the connection failed"

    def test_unknown_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host that does not exist is told apart from one that is not there."""

        def unknown(*_: object, **__: object) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "planted")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        message = Bench("https://api.example/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the name of the host does not resolve"

    def test_a_name_with_a_final_dot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The dot at the end of a name reaches the resolver, which then tries no search domain."""
        names: list[str] = []

        def unknown(name: str, *_: object, **__: object) -> Any:
            names.append(name)
            raise socket.gaierror(socket.EAI_NONAME, "planted")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        Bench("https://api.example./client/v4").failure(reason="network")
        assert set(names) == {"api.example."}

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_no_way_there(self, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        """Where no network leads to the server, no answer of it is spoken of."""

        def connect(*_: object, **__: object) -> None:
            raise OSError(errno.ENETUNREACH, "planted")

        monkeypatch.setattr(transport, "create_connection", connect)
        message = Bench(f"{scheme}://127.0.0.1:9/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the connection failed"

    def test_a_resolver_that_says_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The timeout of a request holds for the look-up of its host, too, which the system would wait longer for."""
        answered = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30))
        bench = Bench("https://api.example/client/v4", timeout=0.05)
        started = time.monotonic()
        try:
            assert bench.failure(reason="timeout") == f"no whole answer of {POLICY_TEST.place} within 0.05 s"
        finally:
            answered.set()
        assert time.monotonic() - started < 15

    def test_without_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the system has no more threads to give, pages are fetched one after the other."""

        def start(thread: threading.Thread) -> None:
            if thread.name.startswith("page-"):
                raise RuntimeError("can't start new thread")
            real(thread)

        real = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", start)
        with simulator(users=9, max_per_page=2) as server:
            assert len(Bench(server.url).rows()) == 9
        assert len({arrival.client for arrival in server.arrivals}) == 1


class TestProxy:
    def test_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The proxy of the environment is used, and its answers are bounded like any other."""
        hang = threading.Event()

        def drip(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not hang.wait(0.02):
                handler.wfile.write(b" ")

        with simulator() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/client/v4"))
            assert Bench("http://api.example/client/v4").rows() == ["0"]
            proxy.fault = lambda _: drip
            Bench("http://api.example/client/v4", timeout=0.1).failure(reason="timeout")
            hang.set()

    def test_refusing_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy that lets nothing through is named as such, without its password."""
        with simulator() as proxy:
            monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//jane:planted@").removesuffix("/client/v4"))
            message = Bench("https://api.example/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the proxy did not let the connection through"

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("http://jane:planted@127.0.0.1:{closed}", "at the proxy, the connection was refused"),
            ("http://jane:planted@planted.invalid:3128", "at the proxy, the name of the host does not resolve"),
            ("http://jane:planted@[planted", "the address of the proxy cannot be used"),
            ("http://jane:planted%E2%82%AC@127.0.0.1:{closed}", "the address of the proxy cannot be used"),
            ("socks5://jane:planted@127.0.0.1:{closed}", "this kind of proxy is not supported"),
        ],
    )
    def test_no_proxy_there(self, monkeypatch: pytest.MonkeyPatch, scheme: str, address: str, words: str) -> None:
        """A failure on the way to the proxy is not told as one of Cloudflare."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv(f"{scheme}_proxy", address.replace("{closed}", str(closed.getsockname()[1])))
            message = Bench(f"{scheme}://api.example/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: {words}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the loopback address with its key, both in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=planted"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path) + ".key", "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("content", [None, "planted"])
def test_no_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    """A file of certificate authorities that is missing, or is none, is named by the variable that names it."""
    path = tmp_path / "authorities.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with simulator() as server:
        message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
    assert message.endswith(": the certificate authorities that REQUESTS_CA_BUNDLE names cannot be used")


class TestTLS:
    @pytest.fixture
    def server(self, certificate: Path) -> Iterator[Simulator]:
        """An account over TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{certificate}.key")
        with simulator(ssl_context=context) as server:
            yield server

    def test_trusted(self, server: Simulator, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate of an authority the environment names is accepted, and the timeout holds over TLS."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        end = threading.Event()

        def drip(handler: Handler) -> None:
            while not end.wait(0.02):
                handler.wfile.write(b"H")

        assert Bench(server.url).rows() == ["0"]
        server.fault = lambda _: drip
        Bench(server.url, timeout=0.15).failure(reason="timeout")
        end.set()

    def test_not_trusted(self, server: Simulator) -> None:
        """A certificate of nobody is refused, before the token is sent."""
        message = Bench(server.url).failure(reason="network")
        assert f"no whole answer of {POLICY_TEST.place}: the certificate of the server is not valid: self" in message
        assert not server.arrivals

    def test_no_tls(self) -> None:
        """A server that does not speak TLS is named as such."""
        with simulator() as server:
            message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: TLS could not be agreed on with the server"
