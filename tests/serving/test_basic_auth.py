"""HTTP basic authentication over real connections. The tests count bcrypt checks, and pause some of them."""

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
import requests

from access_exporter.serving import basic_auth, server
from tests.running_server import PATIENCE_SECONDS, connect, pages, serving

checkpw = bcrypt.checkpw


def hashed(password: bytes, cost: int = 4, prefix: bytes = b"2b") -> str:
    """Return a bcrypt hash of the first 72 bytes of a password, as the usual tools make it."""
    made = bcrypt.hashpw(password[:72], bcrypt.gensalt(cost))
    return made.replace(b"$2b$", b"$" + prefix + b"$").decode()


def write(path: Path, **users: str) -> Path:
    lines = "".join(f"  {name}: {password_hash}\n" for name, password_hash in users.items())
    path.write_text(f"basic_auth_users:\n{lines}", encoding="utf-8")
    return path


def basic(name: bytes, password: bytes) -> str:
    return f"Basic {base64.b64encode(name + b':' + password).decode()}"


@dataclass
class Bcrypt:
    """Replaces `bcrypt.checkpw`: it records each call, and after `hold()` it waits until the test sets `go_on`."""

    calls: list[bytes]  # the hashes
    asked: threading.Semaphore
    go_on: threading.Event

    def hold(self) -> None:
        self.go_on.clear()

    def __call__(self, password: bytes, password_hash: bytes) -> bool:
        self.calls.append(password_hash)
        self.asked.release()
        assert self.go_on.wait(PATIENCE_SECONDS)
        return checkpw(password, password_hash)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bcrypt]:
    watched = Bcrypt([], threading.Semaphore(0), threading.Event())
    watched.go_on.set()
    monkeypatch.setattr(bcrypt, "checkpw", watched)
    yield watched
    watched.go_on.set()


Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("auth") / "web.yaml", alice=hashed(b"open sesame"))


@pytest.fixture(scope="module")
def port(web: Path) -> Iterator[int]:
    """Return the port of an exporter that looks for changes of its web configuration at each request."""
    with serving(pages(web)) as port:
        yield port


@pytest.fixture
def site(web: Path, port: int, watched: Bcrypt) -> Ask:
    """Return a function that sends a request to an exporter with the users alice and bob and an empty cache."""
    write(web, alice=hashed(b"open sesame"), bob=hashed(b"let me in", cost=5))

    def ask(authorization: str | None = None, path: str = "/metrics") -> requests.Response:
        headers = {} if authorization is None else {"authorization": authorization}
        return requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=PATIENCE_SECONDS)

    return ask


RIGHT = basic(b"alice", b"open sesame")
WRONG = basic(b"alice", b"guess")


class TestVerdicts:
    @pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nowhere"])
    def test_every_path_needs_a_credential(self, site: Ask, path: str) -> None:
        """Without a credential every path gets the same 401 response; with one, no path gets 401."""
        refused = site(path=path)
        assert (refused.status_code, refused.text) == (401, "Unauthorized.\n")
        assert refused.headers["www-authenticate"] == "Basic"
        assert site(RIGHT, path).status_code != 401

    def test_unknown_user_and_wrong_password_get_the_same_response(self, site: Ask, watched: Bcrypt) -> None:
        """A wrong password and an unknown user get the same response, after one bcrypt check."""
        wrong, unknown = site(WRONG), site(basic(b"mallory", b"guess"))
        site(basic(b"bob", b"guess"))
        assert [call[:7] for call in watched.calls] == [b"$2b$04$", b"$2b$05$", b"$2b$05$"]
        assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content) == (401, b"Unauthorized.\n")
        assert wrong.headers == unknown.headers

    def test_password_of_another_user(self, site: Ask) -> None:
        """The exporter refuses a known or unknown user who sends the password of another user."""
        for name in (b"alice", b"bob", b"mallory"):
            assert [site(basic(name, password)).status_code for password in (b"open sesame", b"let me in")] == [
                200 if name == b"alice" else 401,
                200 if name == b"bob" else 401,
            ]

    def test_passwords(self, site: Ask, web: Path) -> None:
        """A password may be any bytes: bcrypt reads the first 72, and hashes may start with 2a, 2b or 2y."""
        right_and_wrong = [
            (b"", b" "),
            (b"with:colons:", b"with"),
            (b"n\0ul", b"n"),
            (b"\xff\xfe not UTF-8", b"\xff\xfd not UTF-8"),
            ("päss wörd \N{ROCKET}".encode(), b"pass word"),
            (b"x" * 72, b"x" * 71),
            (b"x" * 100, b"x" * 71 + b"y" * 29),
        ]
        for prefix in (b"2a", b"2b", b"2y"):
            write(web, **{f"user{n}": hashed(right, prefix=prefix) for n, (right, _) in enumerate(right_and_wrong)})
            for number, (right, wrong) in enumerate(right_and_wrong):
                name = b"user%d" % number
                answers = [site(basic(name, password)).status_code for password in (wrong, right, wrong, right)]
                assert answers == [401, 200, 401, 200], (prefix, right)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Basic YWxpY2U",  # the padding is missing
            "Basic YWxp\tY2U6",
            f"Basic {base64.b64encode(b'alice').decode()}",  # no colon
            RIGHT.replace("Basic", "Bearer"),
            RIGHT.replace("Basic ", ""),
            RIGHT + ", " + RIGHT,
            "Basic " + "\xe9" * 8,
            "Basic " + "A" * 15_000,
            "Digest username=alice",
        ],
    )
    def test_malformed_headers(self, site: Ask, watched: Bcrypt, header: str) -> None:
        """The exporter refuses a malformed Authorization header without a bcrypt check."""
        assert site(header).status_code == 401
        assert watched.calls == []

    @pytest.mark.parametrize("header", [RIGHT.replace("Basic", "bAsIc"), RIGHT.replace(" ", "   ") + "  "])
    def test_tolerated_headers(self, site: Ask, header: str) -> None:
        """The case of the word `Basic` and spaces around the credential do not matter."""
        assert site(header).status_code == 200


class TestLoad:
    def test_other_requests_do_not_wait_for_a_check(self, site: Ask, watched: Bcrypt) -> None:
        """While bcrypt checks are queued, the exporter admits cached credentials and refuses missing ones at once."""
        assert site(RIGHT).status_code == 200
        watched.hold()
        with in_background(site, WRONG) as answers:
            for _ in range(2):
                assert watched.asked.acquire(timeout=PATIENCE_SECONDS)
            assert [site(RIGHT).status_code, site().status_code, site("Bearer x").status_code] == [200, 401, 401]
            assert answers == []
            watched.go_on.set()
        assert answers == [401]

    def test_one_check_at_a_time(self, site: Ask, watched: Bcrypt) -> None:
        """The exporter checks the credentials of one address one after the other, and answers each request."""
        watched.hold()
        with ExitStack() as under_way:
            answers = [under_way.enter_context(in_background(site, header)) for header in (WRONG, RIGHT, WRONG, RIGHT)]
            assert watched.asked.acquire(timeout=PATIENCE_SECONDS)
            assert site().status_code == 401
            assert len(watched.calls) == 1
            watched.go_on.set()
        assert answers == [[401], [200], [401], [200]]

    def test_right_password_is_cached(self, site: Ask, watched: Bcrypt, monkeypatch: pytest.MonkeyPatch) -> None:
        """A right password is checked again only if too many other right passwords were cached since."""
        monkeypatch.setattr(basic_auth, "MAX_REMEMBERED", 1)
        bob = basic(b"bob", b"let me in")
        assert [site(header).status_code for header in (RIGHT, RIGHT, RIGHT)] == [200] * 3
        assert len(watched.calls) == 1
        assert [site(header).status_code for header in (bob, bob, RIGHT)] == [200] * 3
        assert len(watched.calls) == 3

    def test_cache_after_a_change_of_users(self, site: Ask, web: Path, watched: Bcrypt) -> None:
        """A cached password stays valid if other users are added or removed, but not if its own hash changes."""
        bob = basic(b"bob", b"let me in")
        alice = hashed(b"open sesame")
        write(web, alice=alice)
        assert site(RIGHT).status_code == 200
        write(web, alice=alice, bob=hashed(b"let me in"))
        assert [site(RIGHT).status_code, len(watched.calls)] == [200, 1]
        assert [site(bob).status_code, len(watched.calls)] == [200, 2]
        write(web, alice=alice)
        assert [site(RIGHT).status_code, len(watched.calls), site(bob).status_code] == [200, 2, 401]
        calls = len(watched.calls)
        write(web, alice=hashed(b"another"))
        assert [site(RIGHT).status_code, len(watched.calls)] == [401, calls + 1]

    def test_wrong_password_is_not_cached(self, site: Ask, watched: Bcrypt) -> None:
        """A wrong password is checked again each time, so that the response time reveals nothing."""
        assert [site(WRONG).status_code, site(WRONG).status_code] == [401, 401]
        assert len(watched.calls) == 2

    def test_bcrypt_that_fails(self, site: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        """If bcrypt raises an exception, only that request fails."""
        monkeypatch.setattr(bcrypt, "checkpw", lambda *_: 1 / 0)
        assert site(RIGHT).status_code == 500
        monkeypatch.setattr(bcrypt, "checkpw", checkpw)
        assert site(RIGHT).status_code == 200


class TestChanges:
    def test_changed_password(self, site: Ask, web: Path, watched: Bcrypt) -> None:
        """After a password changes, the old one is refused at the next request, and a check in progress still ends."""
        assert site(RIGHT).status_code == 200
        watched.hold()
        with in_background(site, WRONG) as answers:
            for _ in range(2):
                assert watched.asked.acquire(timeout=PATIENCE_SECONDS)
            write(web, alice=hashed(b"new"))
            assert site().status_code == 401
            watched.go_on.set()
        assert answers == [401]
        assert [site(RIGHT).status_code, site(basic(b"alice", b"new")).status_code] == [401, 200]

    @pytest.mark.parametrize("content", ["", "# no users", "basic_auth_users:", "http_server_config: {}"])
    def test_half_written_file(self, site: Ask, web: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
        """A half-written file removes no user and is logged as a warning: only a restart can remove all users."""
        assert site(RIGHT).status_code == 200
        web.write_text(content, encoding="utf-8")
        assert [site().status_code, site(RIGHT).status_code] == [401, 200]
        assert caplog.records[-1].message == "web configuration not reloaded"

    def test_stop_does_not_wait_for_a_check(
        self, tmp_path: Path, watched: Bcrypt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the server nor the process waits for a long bcrypt check when it stops."""
        monkeypatch.setattr(server, "STOP_SECONDS", 0.1)
        watched.hold()
        with serving(pages(write(tmp_path / "web.yaml", alice=hashed(b"x")))) as port, connect(port) as asking:
            asking.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {RIGHT}\r\n\r\n".encode())
            assert watched.asked.acquire(timeout=PATIENCE_SECONDS)
        checks = [thread for thread in threading.enumerate() if thread.name == "bcrypt"]
        assert [thread.daemon for thread in checks] == [True]
        watched.go_on.set()
        checks[0].join(PATIENCE_SECONDS)


class in_background:  # noqa: N801 – a context manager
    """Sends a request in a thread; returns a list that will hold the status of the response."""

    def __init__(self, ask: Ask, authorization: str) -> None:
        self._statuses: list[int] = []
        self._thread = threading.Thread(target=lambda: self._statuses.append(ask(authorization).status_code))

    def __enter__(self) -> list[int]:
        self._thread.start()
        return self._statuses

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE_SECONDS)
