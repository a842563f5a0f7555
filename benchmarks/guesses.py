"""The duration of a first scrape during a flood of wrong passwords: python -m benchmarks.guesses.

Starts the exporter with bcrypt hashes of each cost in turn. A flood from several addresses sends wrong passwords: over
connections that it keeps, over a new connection for each password, or with a short timeout. Meanwhile, clients scrape
with right passwords that the exporter has not seen before, from another address and from an address of the flood. The
benchmark fails if a scrape from another address takes longer than twice a check of its password, or if a scrape from
the address of the flood takes longer than 10 s.
"""

import argparse
import base64
import contextlib
import http.client
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import bcrypt

from benchmarks import stalled
from benchmarks.crowd import ANOTHER, address

DEADLINE_SECONDS = 30.0  # of a response
MOST_CHECKS = 2  # that a scrape from another address may take
NOISE_SECONDS = 0.25  # of this machine, on top of that
MOST_SECONDS = 10.0  # of a scrape from an address of the flood
USERS = [f"user{number}" for number in range(8)]  # the password of each is its name
PAUSE_SECONDS = 3.0  # from the start of a flood to the first scrape


class Flood(NamedTuple):
    """The cost of the hashes, and the addresses, connections and habits of the clients that guess."""

    cost: int
    addresses: int
    each: int
    keeps_connections: bool = False
    timeout: float = DEADLINE_SECONDS

    def name(self) -> str:
        """Return the name of this flood."""
        habit = "kept open" if self.keeps_connections else "new each time"
        if self.timeout < DEADLINE_SECONDS:
            habit = f"timeout {self.timeout:g} s"
        return f"cost {self.cost}, {self.addresses:2} x {self.each:2} connections, {habit}"


FLOODS = tuple(
    Flood(cost, addresses, each, *habit)
    for cost, addresses, each in ((10, 8, 8), (12, 8, 8), (12, 16, 16), (14, 8, 8))
    for habit in ((True,), (False,), (False, 2.0))
)


def flood(this: Flood, port: int) -> None:
    """Send wrong passwords until standard input ends."""
    numbers = itertools.count()
    for number in range(this.addresses * this.each):
        source = address(number % this.addresses)
        threading.Thread(target=guess, args=(this, source, port, numbers), daemon=True).start()
    sys.stdin.read()


def guess(this: Flood, source: str, port: int, numbers: Iterator[int]) -> None:
    """Send one wrong password after the other from one address."""
    connection = None
    for number in numbers:
        connection = connection or http.client.HTTPConnection(
            "127.0.0.1", port, timeout=this.timeout, source_address=(source, 0)
        )
        try:
            assert ask(connection, number % len(USERS), f"wrong{number}") == 401
            if this.keeps_connections:
                continue
        except (OSError, http.client.HTTPException):
            pass
        connection.close()
        connection = None


def ask(connection: http.client.HTTPConnection, user: int, password: str) -> int:
    """Request the metrics as a user, and return the status of the response."""
    credentials = base64.b64encode(f"{USERS[user]}:{password}".encode()).decode()
    connection.request("GET", "/metrics", headers={"Authorization": f"Basic {credentials}"})
    response = connection.getresponse()
    response.read()
    return response.status


def scrape(source: str, port: int, user: int) -> float:
    """Scrape once with the right password; return the seconds, which are infinite if the scrape fails."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    with contextlib.closing(connection):
        try:
            assert ask(connection, user, USERS[user]) == 200
        except (OSError, http.client.HTTPException):
            return float("inf")
    return time.monotonic() - began


def web_configuration(folder: Path, cost: int) -> tuple[Path, float]:
    """Write a web configuration with users; return it, and the seconds of one check of a password."""
    salt = bcrypt.gensalt(cost)
    began = time.monotonic()
    lines = [f"  {user}: {bcrypt.hashpw(user.encode(), salt).decode()}" for user in USERS]
    seconds = (time.monotonic() - began) / len(USERS)
    path = folder / "web.yaml"
    path.write_text("\n".join(["basic_auth_users:", *lines, ""]), encoding="utf-8")
    return path, seconds


def measure(number: int, folder: Path) -> tuple[float, list[float], list[float]]:
    """Run a flood; return the seconds of a check, and of scrapes from another address and from one of the flood."""
    config = folder / "config.yaml"
    config.write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    web, check = web_configuration(folder, FLOODS[number].cost)
    with stalled.exporter(f"--config.file={config}", f"--web.config.file={web}") as (_, port):
        command = [sys.executable, "-m", "benchmarks.guesses", f"--flood={number}", f"--port={port}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=stalled.ROOT) as process:
            time.sleep(PAUSE_SECONDS)
            half = len(USERS) // 2
            same = [scrape(address(0), port, user) for user in range(half)]
            another = [scrape(ANOTHER, port, user) for user in range(half, len(USERS))]
            process.kill()
    return check, another, same


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every flood; exit with status 1 if a scrape takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measure only floods with this text in their name")
    parser.add_argument("--flood", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.flood is not None:
        flood(FLOODS[options.flood], options.port)
        return
    print(f"{'seconds':48}{'a check':>8}{'another address':>17}{'same address':>14}")
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        for number, this in enumerate(FLOODS):
            if options.only in this.name():
                check, another, same = measure(number, Path(folder))
                print(f"{this.name():48}{check:8.2f}{max(another):17.2f}{max(same):14.2f}", flush=True)
                kept = kept and max(another) <= MOST_CHECKS * check + NOISE_SECONDS and max(same) <= MOST_SECONDS
    sys.exit(not kept)


if __name__ == "__main__":
    main()
