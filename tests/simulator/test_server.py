"""The HTTP server of the simulator, and the faults it can produce."""

import socket
import ssl
import struct
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests

from access_exporter.simulator import Handler, Request, Response, Simulator
from access_exporter.simulator.answers import (
    error,
)
from access_exporter.simulator.server import Fault
from tests.certificates import Authority
from tests.simulator.accounts import (
    ACCOUNT,
    POLICY_TEST,
    TEST,
    USERS,
    account,
    code,
    ids,
    policy_test,
)


class TestServer:
    def test_arrivals(self, http: requests.Session) -> None:
        """The simulator records each request with its time, path, page and account."""
        now = 1000.0
        with Simulator([account(policy_tests=[policy_test(1)])], clock=lambda: now) as simulator:
            http.get(simulator.url + USERS, headers={"User-Agent": "tester/1"})
            now = 1001.5
            http.get(simulator.url + POLICY_TEST + "/users", params={"page": 2, "per_page": 10})
            http.get(simulator.url + "/elsewhere", params={"page": "x"})
        first, second, third = simulator.arrivals
        assert (first.time, first.method, first.path) == (1000.0, "GET", "/client/v4" + USERS)
        assert (first.endpoint, first.account_id, first.page, first.per_page) == ("users", ACCOUNT, 1, 1000)
        assert first.headers["user-agent"] == "tester/1"
        assert (second.time, second.endpoint, second.policy_test_id) == (1001.5, "policy_test_users", TEST)
        assert (second.page, second.per_page, second.query) == (2, 10, {"page": "2", "per_page": "10"})
        assert (third.endpoint, third.account_id, third.page, third.per_page) == ("", "", None, None)

    def test_keep_alive(self, http: requests.Session) -> None:
        """Requests one after the other share a connection."""
        with Simulator([account()]) as simulator:
            for _ in range(3):
                http.get(simulator.url + USERS)
        assert len({arrival.client for arrival in simulator.arrivals}) == 1

    def test_unread_body(self, http: requests.Session) -> None:
        """The simulator does not read a chunked body, and its response closes the connection."""
        with Simulator([account()]) as simulator:
            answer = http.post(simulator.url + USERS, data=iter([b"chunk"]))
        assert (answer.status_code, answer.headers["Connection"]) == (405, "close")

    def test_stop_and_start(self, http: requests.Session) -> None:
        """A stopped simulator closes idle connections too, and starts again on the same port."""
        with Simulator([account()]) as simulator:
            url = simulator.url
            assert http.get(url + USERS).status_code == 200
            simulator.stop()
            simulator.stop()  # a second stop changes nothing
            with pytest.raises(requests.ConnectionError):
                http.get(url + USERS)
            simulator.start()
            assert simulator.url == url
            assert http.get(url + USERS).status_code == 200

    def test_loopback_only(self) -> None:
        """Only clients on the same machine can reach a simulator."""
        with pytest.raises(ValueError, match="loopback"):
            Simulator([account()], address=("0.0.0.0", 0))  # noqa: S104 – the simulator must refuse it

    def test_tls(self, http: requests.Session, authority: Authority) -> None:
        """With a TLS context the simulator serves https, and a client without a handshake blocks no other client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("server").files)
        with Simulator([account(1)], ssl_context=context) as simulator:
            address = urlsplit(simulator.url)
            with socket.create_connection((address.hostname, address.port)):
                answer = http.get(simulator.url + USERS, verify=str(authority.cert), timeout=10)
        assert address.scheme == "https"
        assert ids(answer) == ["0"]


class TestFaults:
    def test_raw_bytes(self, http: requests.Session) -> None:
        """A fault can write any bytes, and then the connection ends."""

        def torn(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

        with Simulator([account()], fault=lambda _: torn) as simulator:
            answer = http.get(simulator.url + USERS, stream=True)
            with pytest.raises(requests.exceptions.ChunkedEncodingError, match="1 bytes read, 99 more expected"):
                _ = answer.content

    def test_reset(self, http: requests.Session) -> None:
        """A fault can reset the connection without a response."""

        def reset(handler: Handler) -> None:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

        with Simulator([account()], fault=lambda _: reset) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)

    def test_lost_client(self, http: requests.Session, capsys: pytest.CaptureFixture[str]) -> None:
        """If a connection breaks during a response, the simulator prints no error."""

        def lose(_handler: Handler) -> None:
            raise BrokenPipeError

        with Simulator([account()], fault=lambda _: lose) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)
        assert capsys.readouterr().err == ""

    def test_chosen_by_request(self, http: requests.Session) -> None:
        """A test can choose a fault for each request, change it while the simulator runs, and keep the connection."""

        def refuse(handler: Handler) -> None:
            handler.send(replace(error(429, 971, "Please wait"), headers={"Retry-After": "3"}))

        def on_second_page(request: Request) -> Fault | None:
            return refuse if request.page == 2 else None

        with Simulator([account(1)]) as simulator:
            simulator.fault = on_second_page
            answers = [http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2, 3)]
            simulator.fault = None
            answers.append(http.get(simulator.url + USERS, params={"page": 2}))
        assert [answer.status_code for answer in answers] == [200, 429, 200, 200]
        assert (code(answers[1]), answers[1].headers["Retry-After"]) == (971, "3")
        assert len({arrival.client for arrival in simulator.arrivals}) == 1

    def test_changed_response(self, http: requests.Session) -> None:
        """A fault can change the normal response."""

        def crash(handler: Handler) -> None:
            handler.send(replace(handler.response(), status=520))

        def html(handler: Handler) -> None:
            handler.send(Response(502, b"<html>", {"Content-Type": "text/html"}))

        with Simulator([account(1)], fault=lambda request: crash if request.page == 1 else html) as simulator:
            crashed, page = (http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2))
        assert (crashed.status_code, ids(crashed)) == (520, ["0"])
        assert (page.status_code, page.text, page.headers["Content-Type"]) == (502, "<html>", "text/html")

    def test_hanging(self, http: requests.Session) -> None:
        """A request that hangs does not block other requests."""
        release = threading.Event()

        def hang(handler: Handler) -> None:
            release.wait(10)
            handler.send(handler.response())

        with Simulator([account(1)], fault=lambda request: hang if request.page == 1 else None) as simulator:
            with pytest.raises(requests.Timeout):
                http.get(simulator.url + USERS, timeout=0.05)
            assert ids(http.get(simulator.url + USERS, params={"page": 2})) == []
            release.set()
