"""Order and number of bcrypt checks: one per wrong password, in fair turns between client addresses."""

import asyncio
import base64
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import bcrypt
import pytest

from access_exporter.serving import basic_auth
from access_exporter.serving.basic_auth import BasicAuth
from access_exporter.serving.web_settings import WebSettings
from tests.running_server import Asker
from tests.secured import HASH, PASSWORD, write


def header(name: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(name + b":" + password).decode()


def checked(*authorizations: str, users: dict[str, str]) -> tuple[list[bool], list[bytes]]:
    """Return for each credential whether it is admitted, and the hashes that bcrypt was called with."""
    asked = []
    real = bcrypt.checkpw

    def spy(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return real(password, hashed)

    async def run() -> list[bool]:
        basic = BasicAuth(users)
        return [await basic.admits(authorization, Asker()) for authorization in authorizations]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", spy)
        return asyncio.run(run()), asked


def test_only_the_hash_of_the_named_user_is_checked() -> None:
    """A check takes as long as the hash of the named user, even if the hashes of other users cost more."""
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(5)).decode()
    users = {"prometheus": HASH, "other": other}
    verdicts, asked = checked(header(b"prometheus", b"wrong"), header(b"other", b"other"), users=users)
    assert verdicts == [False, True]
    assert asked == [HASH.encode(), other.encode()]


def test_unknown_user_costs_as_much_as_most_users() -> None:
    """An unknown user is refused with any password, after one check at the bcrypt cost that most users have."""
    cheap, dear, also_dear = (bcrypt.hashpw(b"pw", bcrypt.gensalt(cost)).decode() for cost in (4, 5, 5))
    tries = [header(b"mallory", b"wrong"), header(b"mallory", b"pw"), header(b"", b"pw")]
    verdicts, asked = checked(*tries, users={"a": cheap, "b": dear, "c": also_dear})
    assert verdicts == [False] * 3
    assert [hashed[:7] for hashed in asked] == [b"$2b$05$"] * 3


def test_right_passwords_are_cached() -> None:
    """A right password is checked by bcrypt once, and a wrong password each time."""
    right, wrong = header(b"prometheus", PASSWORD.encode()), header(b"prometheus", b"wrong")
    verdicts, asked = checked(right, right, wrong, wrong, right, users={"prometheus": HASH})
    assert verdicts == [True, True, False, False, True]
    assert len(asked) == 3


def test_size_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache holds a limited number of passwords and drops the oldest first."""
    monkeypatch.setattr(basic_auth, "MAX_REMEMBERED", 1)
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    tries = [header(b"a", PASSWORD.encode()), header(b"b", b"other"), header(b"a", PASSWORD.encode())]
    assert len(checked(*tries, users={"a": HASH, "b": other})[1]) == 3


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !", "Bearer abc", "Basic bm9jb2xvbg==", "Basic \xff", "Digest username=x"]
)
def test_malformed_headers_are_refused(authorization: str) -> None:
    """The exporter refuses a malformed Authorization header without a call of bcrypt."""
    assert checked(authorization, users={"prometheus": HASH}) == ([False], [])


@pytest.mark.parametrize("password", [b"", b"\0", b"\xff\xfe", b"a:b", b"x" * 73, b"y" * 5000])
def test_unusual_passwords(password: bytes) -> None:
    """A password may be any bytes, and may be longer than the 72 bytes that bcrypt reads."""
    hashed = bcrypt.hashpw(password[:72], bcrypt.gensalt(4)).decode()
    tries = [header(b"prometheus", password), header(b"prometheus", b"not" + password)]
    assert checked(*tries, users={"prometheus": hashed})[0] == [True, False]


@pytest.mark.parametrize("kind", ["$2a$", "$2b$", "$2y$"])
def test_every_usual_kind_of_hash(kind: str, tmp_path: Path) -> None:
    """The exporter accepts bcrypt hashes with the prefixes $2a$, $2b$ and $2y$, as the usual tools make them."""
    hashed = kind + HASH[4:]
    config = write(tmp_path / "web.yaml", f"basic_auth_users: {{prometheus: '{hashed}'}}\n")
    assert WebSettings(str(config)).auth is not None
    assert checked(header(b"prometheus", PASSWORD.encode()), users={"prometheus": hashed})[0] == [True]


@pytest.fixture(autouse=True)
def _refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse wrong passwords at once, without the pause that the exporter makes while other requests wait."""
    monkeypatch.setattr(basic_auth, "MAX_REFUSAL_SECONDS", 0)


class Held:
    """Replaces the bcrypt check: each check ends when the test says so; `began` lists the checked passwords."""

    def __init__(self) -> None:
        self.began: list[bytes] = []
        self._ends: dict[bytes, asyncio.Future[bool]] = {}

    async def check(self, name: bytes, password: bytes) -> bool:
        self.began.append(password)
        self._ends[password] = asyncio.get_running_loop().create_future()
        return await self._ends[password]

    async def end(self, password: bytes, *, right: bool = False) -> None:
        self._ends[password].set_result(right)
        await let_run()

    async def end_oldest(self) -> None:
        """End the check that began first, as wrong."""
        await self.end(next(password for password in self.began if not self._ends[password].done()))


async def let_run() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def flood(held: Held, addresses: int, each: int) -> tuple[BasicAuth, list[asyncio.Task[bool]]]:
    """Send wrong passwords from several addresses, and end the first check of each address."""
    basic = BasicAuth({"prometheus": HASH})
    basic._is_right = held.check  # type: ignore[method-assign]  # noqa: SLF001 – the test decides when a check ends
    tasks = []
    for address in range(addresses):
        for number in range(each):
            wrong = header(b"prometheus", b"%d of %d" % (number, address))
            tasks.append(asyncio.create_task(basic.admits(wrong, Asker(f"198.51.100.{address}"))))
    await asyncio.sleep(0)
    for number in range(addresses):
        await held.end(held.began[number])
    return basic, tasks


async def is_admitted(held: Held, right: "asyncio.Task[bool]") -> None:
    """Expect that the newest check is that of the right password, and that it admits the client."""
    assert held.began[-1] == b"right"
    await held.end(b"right", right=True)
    assert await right


async def ended(held: Held, tasks: list[asyncio.Task[bool]]) -> None:
    """End every check that begins, until all requests are answered."""
    done: set[bytes] = set()
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        for password in [each for each in held.began if each not in done]:
            done.add(password)
            if not held._ends[password].done():  # noqa: SLF001 – a class of this test
                await held.end(password)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(("addresses", "each"), [(1, 64), (8, 8), (64, 2)])
def test_a_flood_does_not_delay_other_addresses(addresses: int, each: int) -> None:
    """A client that sent no wrong password is checked at once, even while many wrong passwords of others wait."""

    async def run() -> None:
        held = Held()
        basic, tasks = await flood(held, addresses, each)
        right = asyncio.create_task(basic.admits(header(b"prometheus", b"right"), Asker("192.0.2.1")))
        for _ in range(3):
            await asyncio.sleep(0)
        await is_admitted(held, right)
        await ended(held, tasks)

    asyncio.run(run())


def test_a_flood_is_checked_one_after_the_other() -> None:
    """All addresses that sent a wrong password share one check at a time, and take turns."""

    async def run() -> None:
        held = Held()
        _, tasks = await flood(held, 4, 8)
        began = len(held.began)
        for more in range(8):
            await held.end(held.began[began - 1 + more])
            assert len(held.began) == began + more + 1
        assert {each.rpartition(b" ")[2] for each in held.began[began - 1 : began + 3]} == {b"0", b"1", b"2", b"3"}
        await ended(held, tasks)

    asyncio.run(run())


async def guess(basic: BasicAuth, passwords: Iterator[int], client: Asker, *, keeps_connection: bool) -> None:
    """Send wrong passwords one after the other, over one connection or over a new one each time."""
    for number in passwords:
        password = f"guess {number} from {client.address}".encode()
        assert not await basic.admits(header(b"prometheus", password), client)
        if not keeps_connection:
            client = left(client)


def left(client: Asker) -> Asker:
    """End the connection of a refused client, and return a new connection from its address."""
    assert client.at_end
    client.at_end()
    return Asker(client.address)


@pytest.mark.parametrize("keeps_connection", [True, False])
@pytest.mark.parametrize(("addresses", "each"), [(1, 64), (8, 8), (64, 2)])
def test_right_password_from_the_address_of_a_flood(addresses: int, each: int, keeps_connection: bool) -> None:
    """The next check is that of a client that was not refused, even if refused clients of its address wait longer."""

    async def run() -> None:
        held, basic, passwords = Held(), BasicAuth({"prometheus": HASH}), count()
        basic._is_right = held.check  # type: ignore[method-assign]  # noqa: SLF001 – the test decides when a check ends
        clients = [Asker(f"198.51.100.{number}") for number in range(addresses) for _ in range(each)]
        guessers = [
            asyncio.create_task(guess(basic, passwords, client, keeps_connection=keeps_connection))
            for client in clients
        ]
        await let_run()
        for _ in clients:
            await held.end_oldest()
        busiest = held.began[-1].decode().rpartition(" ")[2]
        right = asyncio.create_task(basic.admits(header(b"prometheus", b"right"), Asker(busiest)))
        await let_run()
        await held.end_oldest()
        await is_admitted(held, right)
        for guesser in guessers:
            guesser.cancel()
        await asyncio.wait(guessers)

    asyncio.run(run())


@pytest.mark.parametrize(("return_seconds", "order"), [(3600, [b"new", b"again"]), (-1, [b"again", b"new"])])
def test_client_that_leaves_before_its_check(
    return_seconds: float, order: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that closes its connection while it waits, and connects again soon, counts as refused."""
    monkeypatch.setattr(basic_auth, "RETURN_SECONDS", return_seconds)

    async def run() -> None:
        held = Held()
        basic, tasks = await flood(held, 1, 2)
        client = Asker("198.51.100.0")
        leaving = asyncio.create_task(basic.admits(header(b"prometheus", b"leaving"), client))
        await let_run()
        leaving.cancel()
        await asyncio.wait((leaving,))
        for password, each in ((b"again", left(client)), (b"new", Asker(client.address))):
            tasks.append(asyncio.create_task(basic.admits(header(b"prometheus", password), each)))
            await let_run()
        await ended(held, tasks)
        assert held.began[-2:] == order

    asyncio.run(run())
