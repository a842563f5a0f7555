"""A stand-in for Cloudflare's API that needs little CPU, in its own process: python -m benchmarks.cloudflare SCENARIO.

The server builds a page of 1,000 users once. For each response, it only inserts the number of the page, so that each of
a million users has a unique ID. The server sends no `Ratelimit` header, because the exporter would slow down when the
remaining budget is small. For each line of its input, the server prints the requests since the last line as JSON.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

ACCOUNT_ID = "0" * 32
TOKEN = "a-token-of-the-benchmark"  # noqa: S105 – made up
PAGE_SIZE = 1000
TEST_ID = "f1a8" * 16
_PAGE_NUMBER = b"#####"
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


class Scenario(msgspec.Struct, frozen=True):
    """The data that the server sends: users in every account, a device for each user, and a finished policy test.

    One user in `unusual_every` users has the values in `unusual`.
    """

    users: int = 0
    claimed_users: int | None = None  # the number of users in the totals; None for the true number
    tested_users: int = 0
    latency: float = 0.0  # seconds before each response
    unusual: dict[str, Any] = {}
    unusual_every: int = PAGE_SIZE


class Asked(msgspec.Struct):
    """The requests for users and policy tests: their times (monotonic seconds), their pages, and the most at once."""

    times: list[float] = []
    pages: list[int] = []
    most_in_flight: int = 0


class Pages:
    """The response bodies, as bytes."""

    def __init__(self, scenario: Scenario) -> None:
        """Build the rows of one page."""
        self._scenario = scenario
        self._claimed = scenario.users if scenario.claimed_users is None else scenario.claimed_users
        users = list(_users())
        for number in range(scenario.unusual_every // 2, PAGE_SIZE, scenario.unusual_every):
            users[number] |= scenario.unusual
        self._users = [_json(row) for row in users]
        self._full_page = b",".join(self._users).split(_PAGE_NUMBER)
        self._devices = b",".join(_json(row) for row in _devices()).split(_PAGE_NUMBER)
        self._results = [_json({"id": str(number), "status": "approved"}) for number in range(scenario.tested_users)]

    def answer(self, target: str) -> tuple[int, bytes]:
        """Return the page number in a request's path and query, and the response body."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        page = int(query.get("cursor", query.get("page", ["1"]))[0])
        if path.endswith("/devices/registrations"):
            return page, self._page_of_devices(page)
        if path.endswith("/access/users"):
            return page, self._page_of_users(page)
        if path.endswith("/users"):
            return page, b'{"success":true,"result":[%b]}' % b",".join(_cut(self._results, page))
        test = {"id": TEST_ID, "status": "complete", "total_users": self._scenario.tested_users}
        return page, _json({"success": True, "result": test | {"percent_users_processed": 100}})

    def _page_of_devices(self, page: int) -> bytes:
        cursor = str(page + 1) if page * PAGE_SIZE < self._scenario.users else ""
        info = {"count": PAGE_SIZE, "per_page": PAGE_SIZE, "total_count": None, "cursor": cursor}
        return b'{"success":true,"result_info":%b,"result":[%b]}' % (_json(info), (b"%05d" % page).join(self._devices))

    def _page_of_users(self, page: int) -> bytes:
        number = b"%05d" % page
        count = min(PAGE_SIZE, max(0, self._scenario.users - (page - 1) * PAGE_SIZE))
        parts = self._full_page if count == PAGE_SIZE else b",".join(self._users[:count]).split(_PAGE_NUMBER)
        info = {"count": count, "page": page, "per_page": PAGE_SIZE}
        info |= {"total_count": self._claimed, "total_pages": -(-self._claimed // PAGE_SIZE)}
        return b'{"success":true,"result_info":%b,"result":[%b]}' % (_json(info), number.join(parts))


def _users() -> Iterator[dict[str, Any]]:
    """Yield a page of users; most of them hold a seat and have logged in during the last 120 days."""
    chance = random.Random(1)
    now = datetime.now(UTC)

    def moment(days: float) -> str:
        return (now - timedelta(days=chance.uniform(0, days))).isoformat().replace("+00:00", "Z")

    for number in range(PAGE_SIZE):
        name = f"{_PAGE_NUMBER.decode()}{number:03d}"
        yield {
            "id": f"{name}-fafe-4643-bbbc-4a0ed4fc8415",
            "uid": f"{name}-65da-4e3c-9e16-67f3b1c4b0f1",
            "seat_uid": f"{name}-0f33-4dd0-a0c8-3d9b8c1f6c8e",
            "email": f"user-{name}@example.com",
            "name": f"User {name}",
            "access_seat": chance.random() < 0.7,
            "gateway_seat": chance.random() < 0.4,
            "active_device_count": chance.choice((0, 1, 1, 2, 3, 7)),
            "created_at": moment(900),
            "updated_at": moment(30),
            "last_successful_login": moment(120),
        }


def _devices() -> Iterator[dict[str, Any]]:
    """Yield a page of device registrations, one for each user of a page; 70 % of the devices were seen today."""
    chance = random.Random(2)
    now = datetime.now(UTC)
    for number, user in enumerate(_users()):
        name = f"{_PAGE_NUMBER.decode()}{number:03d}"
        seen = now - timedelta(days=chance.uniform(0, 1 if chance.random() < 0.7 else 60))
        yield {
            "id": f"{name}-3a1c-4b6e-8f0d-1f2e3d4c5b6a",
            "key": "U+QTP50RsWfeLGHF4tlGDnmGeuwtsz46KCHr5OyhWq00Rsdfl45mgnQAuEJ6CO0YrkyTl9FUf5iB0bwYR3g4EEFEHhtu",
            "created_at": user["created_at"],
            "updated_at": user["updated_at"],
            "last_seen_at": seen.isoformat().replace("+00:00", "Z"),
            "deleted_at": None,
            "revoked_at": None,
            "registration_type": "warp",
            "tunnel_type": "masque",
            "device": {"id": f"{name}-77c2-4e0b-9d2a-5b8f1e6d3c70", "name": name, "client_version": "2026.6.841.0"},
            "user": {"id": user["id"], "email": user["email"], "name": user["name"]},
        }


def _cut(rows: list[bytes], page: int) -> list[bytes]:
    return rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Server:
    """Answers requests and records them."""

    def __init__(self, scenario: Scenario) -> None:
        """Start without recorded requests."""
        self._latency = scenario.latency
        self._pages = Pages(scenario)
        self._asked = Asked()
        self._in_flight = 0

    def taken(self) -> Asked:
        """Return the requests since the last call."""
        taken, self._asked = self._asked, Asked()
        return taken

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection one after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b" ", 2)[1].decode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, target: str) -> bytes:
        if "/access/organizations" in target or "/tokens/verify" in target:  # rare requests, which are not measured
            result = {"user_seat_expiration_inactive_time": "730h", "status": "active"}
            return _whole(_json({"success": True, "result": result}))
        self._in_flight += 1
        self._asked.most_in_flight = max(self._asked.most_in_flight, self._in_flight)
        self._asked.times.append(time.monotonic())
        page, body = self._pages.answer(target)
        self._asked.pages.append(page)
        if self._latency:
            await asyncio.sleep(self._latency)
        self._in_flight -= 1
        return _whole(body)


def _whole(body: bytes) -> bytes:
    return _HEAD.format(len(body)).encode() + body


async def main(scenario: Scenario) -> None:
    """Serve until the input ends; print the URL, then the recorded requests for each line of the input."""
    served = Server(scenario)
    listener = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(msgspec.json.encode(served.taken()).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Scenario)))
