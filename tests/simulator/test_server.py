"""The simulator's HTTP server, and the faults it has on demand."""

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
        """Each request is noted with the time of the given clock and what was asked for."""
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
        """A chunked body is not read, and the answer says that the connection ends."""
        with Simulator([account()]) as simulator:
            answer = http.post(simulator.url + USERS, data=iter([b"chunk"]))
        assert (answer.status_code, answer.headers["Connection"]) == (405, "close")

    def test_stop_hangs_up(self, http: requests.Session) -> None:
        """A stopped simulator is gone for idle connections too, and comes back on the same port."""
        with Simulator([account()]) as simulator:
            url = simulator.url
            assert http.get(url + USERS).status_code == 200
            simulator.stop()
            simulator.stop()  # once more does no harm
            with pytest.raises(requests.ConnectionError):
                http.get(url + USERS)
            simulator.start()
            assert simulator.url == url
            assert http.get(url + USERS).status_code == 200

    def test_loopback_only(self) -> None:
        """Nothing but the machine itself can reach a simulator."""
        with pytest.raises(ValueError, match="loopback"):
            Simulator([account()], address=("0.0.0.0", 0))  # noqa: S104 – this is what is refused

    def test_tls(self, http: requests.Session, authority: Authority) -> None:
        """With a TLS context answers come over https, and a client that never shakes hands blocks nobody."""
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
        """A fault can write anything, and the connection ends with it."""

        def torn(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

        with Simulator([account()], fault=lambda _: torn) as simulator:
            answer = http.get(simulator.url + USERS, stream=True)
            with pytest.raises(requests.exceptions.ChunkedEncodingError, match="1 bytes read, 99 more expected"):
                _ = answer.content

    def test_reset(self, http: requests.Session) -> None:
        """A fault can reset the connection without a word."""

        def reset(handler: Handler) -> None:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

        with Simulator([account()], fault=lambda _: reset) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)

    def test_lost_client(self, http: requests.Session, capsys: pytest.CaptureFixture[str]) -> None:
        """A connection that breaks while it is answered is no news."""

        def lose(_handler: Handler) -> None:
            raise BrokenPipeError

        with Simulator([account()], fault=lambda _: lose) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)
        assert capsys.readouterr().err == ""

    def test_chosen_by_request(self, http: requests.Session) -> None:
        """A fault is chosen request by request, can be switched while the simulator runs, and may keep the line."""

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

    def test_changed_answer(self, http: requests.Session) -> None:
        """A fault can change the proper answer on its way out."""

        def crash(handler: Handler) -> None:
            handler.send(replace(handler.response(), status=520))

        def html(handler: Handler) -> None:
            handler.send(Response(502, b"<html>", {"Content-Type": "text/html"}))

        with Simulator([account(1)], fault=lambda request: crash if request.page == 1 else html) as simulator:
            crashed, page = (http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2))
        assert (crashed.status_code, ids(crashed)) == (520, ["0"])
        assert (page.status_code, page.text, page.headers["Content-Type"]) == (502, "<html>", "text/html")

    def test_hanging(self, http: requests.Session) -> None:
        """A request that hangs blocks no other one."""
        release = threading.Event()

        def hang(handler: Handler) -> None:
            release.wait(10)
            handler.send(handler.response())

        with Simulator([account(1)], fault=lambda request: hang if request.page == 1 else None) as simulator:
            with pytest.raises(requests.Timeout):
                http.get(simulator.url + USERS, timeout=0.05)
            assert ids(http.get(simulator.url + USERS, params={"page": 2})) == []
            release.set()
