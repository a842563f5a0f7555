"""Connections to Cloudflare: reuse, redirects, broken connections and proxies."""

import errno
import gzip
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
import responses

from access_exporter.cloudflare import transport
from access_exporter.simulator import Handler, Request, Response
from tests.api_client import POLICY_TEST, Bench, Script, reset, simulator
from tests.cloudflare.answers import (
    CHUNKED,
    OK,
    answers,
    sends,
)
from tests.faults import says_after

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestConnection:
    def test_one_connection(self) -> None:
        """Requests one after the other share connections, even if the responses are compressed."""
        with simulator(users=5, compress=True, max_per_page=2) as server:
            assert Bench(server.url).rows() == ["0", "1", "2", "3", "4"]
        assert len({arrival.client for arrival in server.arrivals}) <= 4
        assert server.arrivals[0].headers["accept-encoding"] == "gzip"

    def test_surplus_bytes(self) -> None:
        """If bytes follow a response, the client closes the connection, so that the next request does not read them."""
        with simulator(fault=says_after(b"HTTP/1.1 200 OK\r\nContent-Len")) as server:
            bench = Bench(server.url)
            bench.get()
            bench.get()
        assert len({arrival.client for arrival in server.arrivals}) == 2

    def test_concurrency(self) -> None:
        """The client never has more requests or connections open than the configured concurrency."""
        with simulator(users=40, max_per_page=1) as server:
            assert len(Bench(server.url, concurrency=3).rows()) == 40
        assert len({arrival.client for arrival in server.arrivals}) <= 3

    def test_no_retry_after_a_failed_page(self) -> None:
        """After a page has failed, the client does not retry the pages that it fetched ahead."""
        failed = threading.Event()

        def fail_later(handler: Handler) -> None:
            failed.wait(10)
            handler.send(Response(500, b"planted"))

        def fault(request: Request) -> Callable[[Handler], None] | None:
            if request.page == 3:
                return lambda handler: handler.send(Response(403, b"{}"))
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

    def test_large_headers(self) -> None:
        """Headers of 60 KB are read; a response with more than 256 KB of headers is none, however they are divided."""
        body = '{"success": true, "result": {}}'
        ends = (f"Content-Length: {len(body)}", "", body)
        with simulator(fault=sends(OK, *["X-Planted: " + "\r planted" * 100] * 60, *ends)) as server:
            Bench(server.url).get()
            server.fault = lambda _: sends(OK, *["X-Planted: " + "\r planted" * 6000] * 6, *ends)
            assert "not HTTP" in Bench(server.url).failure(reason="network")
            server.fault = lambda _: sends(*["HTTP/1.1 103 Early Hints", "X-Planted: planted", ""] * 10_000, OK, *ends)
            assert "not HTTP" in Bench(server.url).failure(reason="network")

    def test_cookies(self) -> None:
        """The client does not send cookies back."""

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
        """The client does not follow a redirect, and never sends the token to its target."""

        def redirect(handler: Handler) -> None:
            target = {"other": other.url + "/planted", "same": server.url + "/planted"}.get(location, location)
            handler.send(Response(status, b"planted", {"Location": target}))

        with simulator() as other, simulator(fault=redirect) as server:
            bench = Bench(server.url)
            message = bench.failure(reason="invalid_response")
        assert message == f"{status} from {POLICY_TEST.place}: the exporter does not follow redirects; check api.url"
        assert len(server.arrivals) == 1
        assert not other.arrivals
        assert bench.codes() == {str(status): 1}

    @pytest.mark.parametrize(
        ("fault", "reason", "words"),
        [
            (reset, "network", "connection reset"),
            (sends(), "network", "connection reset"),
            (sends("planted"), "network", "the response was not HTTP or ended early"),
            (sends("\x16\x03\x01planted"), "network", "the response was not HTTP or ended early"),
            (sends("HTTP/1.1 planted", "", ""), "network", "the response was not HTTP or ended early"),
            (sends(OK, *["X: planted"] * 200, "", ""), "network", "the response was not HTTP or ended early"),
            (sends(OK, "X: " + "planted" * 10_000, "", ""), "network", "the response was not HTTP or ended early"),
            (sends(OK, "Content-Length: 100", "", ""), "network", "the response ended early"),
            (sends(OK, "Content-Length: 100", "", '{"result": {}'), "network", "the response ended early"),
            (sends(OK, CHUNKED, "", ""), "network", "the response was not HTTP or ended early"),
            (sends(OK, CHUNKED, "", "planted", ""), "network", "the response was not HTTP or ended early"),
            (sends(OK, CHUNKED, "", "2", "{}", ""), "network", "the response was not HTTP or ended early"),
            (answers(b'{"result": {'), "invalid_response", "is not JSON"),
            (answers(b"planted", "gzip"), "invalid_response", "cannot decompress"),
            (answers(b"planted", "br"), "invalid_response", "is not JSON"),
            (answers(gzip.compress(b'{"result": {}}')[:-12], "gzip"), "invalid_response", "cannot decompress"),
            (answers(b"planted", ", ".join(["gzip"] * 50)), "invalid_response", "compressed more than 2 times"),
        ],
    )
    def test_broken(self, fault: Callable[[Handler], None], reason: str, words: str) -> None:
        """The error for a broken connection or response has the right reason and repeats nothing of the response."""
        with simulator(fault=fault) as server:
            bench = Bench(server.url)
            message = bench.failure(reason=reason)
        assert words in message
        assert POLICY_TEST.place in message

    def test_refused(self) -> None:
        """The error says "connection refused" if no server listens."""
        with simulator() as server:
            url = server.url
        assert (
            Bench(url).failure(reason="network") == f"no complete response from {POLICY_TEST.place}: connection refused"
        )

    def test_unknown_failure(self, mock: responses.RequestsMock) -> None:
        """The error for an unknown failure does not contain the text of the HTTP library."""
        Script(mock, requests.RequestException("planted"))
        message = Bench().failure(reason="network")
        assert message == f"no complete response from {POLICY_TEST.place}: the connection failed"

    def test_unknown_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error says that the host name does not resolve."""

        def unknown(*_: object, **__: object) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "planted")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        message = Bench("https://api.example/client/v4").failure(reason="network")
        assert message == f"no complete response from {POLICY_TEST.place}: the host name does not resolve"

    def test_a_name_with_a_final_dot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client passes the final dot of a host name to the resolver, which then tries no search domain."""
        names: list[str] = []

        def unknown(name: str, *_: object, **__: object) -> Any:
            names.append(name)
            raise socket.gaierror(socket.EAI_NONAME, "planted")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        Bench("https://api.example./client/v4").failure(reason="network")
        assert set(names) == {"api.example."}

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_network_unreachable(self, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        """If the network is unreachable, the error says that the connection failed."""

        def connect(*_: object, **__: object) -> None:
            raise OSError(errno.ENETUNREACH, "planted")

        monkeypatch.setattr(transport, "create_connection", connect)
        message = Bench(f"{scheme}://127.0.0.1:9/client/v4").failure(reason="network")
        assert message == f"no complete response from {POLICY_TEST.place}: the connection failed"

    def test_slow_resolver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The request timeout includes the DNS lookup."""
        answered = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30))
        bench = Bench("https://api.example/client/v4", timeout=0.05)
        started = time.monotonic()
        try:
            assert bench.failure(reason="timeout") == f"no complete response from {POLICY_TEST.place} within 0.05 s"
        finally:
            answered.set()
        assert time.monotonic() - started < 15

    def test_without_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the system cannot start more threads, the exporter fetches the pages one after the other."""

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
        """The client uses the proxy from the environment, and applies the timeout to its responses."""
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
        """If the proxy refuses the connection, the error says so and does not contain the password."""
        with simulator() as proxy:
            monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//jane:planted@").removesuffix("/client/v4"))
            message = Bench("https://api.example/client/v4").failure(reason="network")
        assert message == f"no complete response from {POLICY_TEST.place}: the proxy did not let the connection through"

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("http://jane:planted@127.0.0.1:{closed}", "at the proxy, connection refused"),
            ("http://jane:planted@planted.invalid:3128", "at the proxy, the host name does not resolve"),
            ("http://jane:planted@[planted", "the address of the proxy cannot be used"),
            ("http://jane:planted%E2%82%AC@127.0.0.1:{closed}", "the address of the proxy cannot be used"),
            ("socks5://jane:planted@127.0.0.1:{closed}", "this kind of proxy is not supported"),
        ],
    )
    def test_proxy_failure(self, monkeypatch: pytest.MonkeyPatch, scheme: str, address: str, words: str) -> None:
        """If the proxy cannot be reached or used, the error names the proxy, not Cloudflare."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv(f"{scheme}_proxy", address.replace("{closed}", str(closed.getsockname()[1])))
            message = Bench(f"{scheme}://api.example/client/v4").failure(reason="network")
        assert message == f"no complete response from {POLICY_TEST.place}: {words}"
