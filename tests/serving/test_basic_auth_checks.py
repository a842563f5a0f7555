"""Passwords are checked alike whoever's name it is, few at a time, and what was right is remembered."""

import asyncio
import base64
from pathlib import Path

import bcrypt
import pytest

from access_exporter.serving import basic_auth
from access_exporter.serving.basic_auth import BasicAuth, Verdict
from access_exporter.serving.web_settings import WebSettings
from tests.secured import HASH, PASSWORD, write


def header(name: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(name + b":" + password).decode()


CLIENT = "192.0.2.1"


def checked(*authorizations: str, users: dict[str, str]) -> tuple[list[Verdict], list[bytes]]:
    """Return the verdicts, and the hashes that bcrypt was asked about."""
    asked = []
    real = bcrypt.checkpw

    def spy(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return real(password, hashed)

    async def run() -> list[Verdict]:
        basic = BasicAuth(users)
        return [await basic.check(authorization, CLIENT) for authorization in authorizations]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", spy)
        return asyncio.run(run()), asked


def test_unknown_users_take_the_path_of_wrong_passwords() -> None:
    """A name that does not exist costs one bcrypt check of a user's hash, always the same, as a wrong password does."""
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    users = {"prometheus": HASH, "other": other}
    tries = [header(b"prometheus", b"wrong"), header(b"nobody", b"wrong"), header(b"nobody", PASSWORD.encode())]
    verdicts, asked = checked(*tries, users=users)
    assert verdicts == [Verdict.REFUSED] * 3
    assert len(asked) == 3
    assert asked[0] == HASH.encode()
    assert asked[1] == asked[2]


def test_what_was_right_is_remembered() -> None:
    """A password that was right once is not checked by bcrypt again; a wrong one always is."""
    right, wrong = header(b"prometheus", PASSWORD.encode()), header(b"prometheus", b"wrong")
    verdicts, asked = checked(right, right, wrong, wrong, right, users={"prometheus": HASH})
    assert verdicts == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.REFUSED, Verdict.REFUSED, Verdict.ADMITTED]
    assert len(asked) == 3


def test_little_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many passwords are remembered, the oldest goes first."""
    monkeypatch.setattr(basic_auth, "MAX_REMEMBERED", 1)
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    tries = [header(b"a", PASSWORD.encode()), header(b"b", b"other"), header(b"a", PASSWORD.encode())]
    assert len(checked(*tries, users={"a": HASH, "b": other})[1]) == 3


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !", "Bearer abc", "Basic bm9jb2xvbg==", "Basic \xff", "Digest username=x"]
)
def test_malformed_headers_are_refused(authorization: str) -> None:
    """A header that is none is refused without bcrypt."""
    assert checked(authorization, users={"prometheus": HASH}) == ([Verdict.REFUSED], [])


@pytest.mark.parametrize("password", [b"", b"\0", b"\xff\xfe", b"a:b", b"x" * 73, b"y" * 5000])
def test_odd_passwords(password: bytes) -> None:
    """Any bytes may be tried as a password; what is right beyond bcrypt's 72 bytes is right."""
    hashed = bcrypt.hashpw(password[:72], bcrypt.gensalt(4)).decode()
    tries = [header(b"prometheus", password), header(b"prometheus", b"not" + password)]
    assert checked(*tries, users={"prometheus": hashed})[0] == [Verdict.ADMITTED, Verdict.REFUSED]


@pytest.mark.parametrize("kind", ["$2a$", "$2b$", "$2y$"])
def test_every_usual_kind_of_hash(kind: str, tmp_path: Path) -> None:
    """The hashes of htpasswd and of every bcrypt library are taken."""
    hashed = kind + HASH[4:]
    config = write(tmp_path / "web.yaml", f"basic_auth_users: {{prometheus: '{hashed}'}}\n")
    assert WebSettings(str(config)).auth is not None
    assert checked(header(b"prometheus", PASSWORD.encode()), users={"prometheus": hashed})[0] == [Verdict.ADMITTED]


def test_only_so_many_checks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """While too many passwords are being checked more are turned away, but who was right before gets in at once."""
    monkeypatch.setattr(basic_auth, "MAX_CHECKS_WAITING", 2)

    async def run() -> tuple[Verdict, Verdict, list[Verdict]]:
        basic = BasicAuth({"prometheus": HASH})
        right = header(b"prometheus", PASSWORD.encode())
        assert await basic.check(right, CLIENT) is Verdict.ADMITTED
        waiting = [asyncio.create_task(basic.check(header(b"x", b"%d" % number), CLIENT)) for number in range(2)]
        await asyncio.sleep(0)
        return (
            await basic.check(header(b"x", b"more"), CLIENT),
            await basic.check(right, CLIENT),
            list(await asyncio.gather(*waiting)),
        )

    assert asyncio.run(run()) == (Verdict.BUSY, Verdict.ADMITTED, [Verdict.REFUSED] * 2)


def test_only_so_many_checks_of_a_client_wait() -> None:
    """Who floods the exporter with wrong passwords is turned away; nobody else is."""

    async def run() -> tuple[Verdict, Verdict, Verdict]:
        basic = BasicAuth({"prometheus": HASH})
        flood = [
            basic.check(header(b"x", b"%d" % number), CLIENT) for number in range(basic_auth.MAX_CHECKS_OF_A_CLIENT)
        ]
        waiting = [asyncio.create_task(check) for check in flood]
        await asyncio.sleep(0)
        right = header(b"prometheus", PASSWORD.encode())
        during = await basic.check(right, CLIENT), await basic.check(right, "192.0.2.2")
        await asyncio.gather(*waiting)
        return *during, await basic.check(header(b"x", b"more"), CLIENT)

    assert asyncio.run(run()) == (Verdict.BUSY, Verdict.ADMITTED, Verdict.REFUSED)
