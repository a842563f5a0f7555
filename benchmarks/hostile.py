"""How long one hostile response of Cloudflare blocks all other threads: `make hostile`.

Decompresses and decodes the most expensive responses that are possible. Meanwhile, another thread reads the clock all
the time and records its longest wait. Each response runs five times, and the shortest wait counts, because other
programs use the machine too. Fails if a thread waits longer than 50 ms.
"""

import gzip
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests
import urllib3

from access_exporter.cloudflare import responses, unpacking
from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.responses import COUNTED_BYTES
from access_exporter.cloudflare.sending import MAX_BODY_BYTES
from access_exporter.collectors.application_list import Application
from access_exporter.collectors.policy_test_progress import Progress
from access_exporter.collectors.users_summary import User
from access_exporter.errors import PollError

ENDPOINT = Endpoint("users", "/accounts/{account_id}/access/users", "Access: Audit Logs Read")
MOST_SECONDS = 0.05
ROUNDS = 5
EMPTY_MEMBER = gzip.compress(b"")
FULL_ROW = b'{"id":"a","access_seat":true,"created_at":"2026-01-31T09:30:00Z","active_device_count":2.5}'
INVALID_ROW = b'{"id":"","created_at":5,"access_seat":5,"gateway_seat":5,"active_device_count":"x"}'
POLICY = b'{"success":true,"result":[{"id":"a","policies":[{"id":"p","include":[%b]}]}]}'


class Hostile(NamedTuple):
    """A response body as sent, how many times it is compressed, and the type that the exporter expects in it."""

    body: bytes
    layers: int = 0
    result: Any = list[User]  # Any: a type


def repeated(piece: bytes, around: bytes = b'{"success":true,"result":[%b]}', most: int = 1 << 30) -> bytes:
    """Return a body of the maximum size that the exporter reads, with repeated pieces in place of %b."""
    number = min(most, (MAX_BODY_BYTES - len(around)) // (len(piece) + 1))
    return around % b",".join([piece] * number)


ANSWERS = {
    "rows with all fields": Hostile(repeated(FULL_ROW)),
    "as many rows as possible": Hostile(repeated(b'{"id":"a"}', most=99_000)),
    "rows with invalid fields": Hostile(repeated(INVALID_ROW, most=9_999)),
    "lists beside the rows": Hostile(repeated(b"[]", b'{"success":true,"result":[],"x":[%b]}')),
    "lists in result_info": Hostile(repeated(b"[]", b'{"success":true,"result":[],"result_info":[%b]}')),
    "lists in a field": Hostile(repeated(b"[]", b'{"result":{"total_users":[%b]}}'), result=Progress),
    "lists in a policy": Hostile(
        repeated(b"[]", POLICY, most=(COUNTED_BYTES - len(POLICY)) // 3), result=list[Application]
    ),
    "texts in a policy": Hostile(repeated(b'"a"', POLICY, most=399_000), result=list[Application]),
    "numbers in a policy": Hostile(repeated(b"1.5", POLICY, most=399_000), result=list[Application]),
    "a failure of lists": Hostile(repeated(b"[]", b'{"success":false,"errors":[%b]}')),
    "strings that are not JSON": Hostile(b'\x01"' + b'""' * 100_000),
    "lists that are not JSON": Hostile(repeated(b"0", b'\x01{"success":true,"result":[],"x":[%b]}', most=49_999)),
    "a number of 4 MB": Hostile(b'{"success":true,"result":[{"active_device_count":%b}]}' % (b"1" * 4_000_000)),
    "200,000 empty gzip members": Hostile(EMPTY_MEMBER * 200_000, 1),
    "200,000 members compressed twice": Hostile(gzip.compress(EMPTY_MEMBER * 200_000), 2),
    "a gzip bomb of 1 GB": Hostile(gzip.compress(bytes(1 << 30), compresslevel=1), 1),
    "empty blocks in gzip": Hostile(EMPTY_MEMBER[:10] + b"\0\0\0\xff\xff" * 800_000, 1),
}


def read(answer: Hostile) -> None:
    """Read a response as the exporter does, and ignore its errors."""
    headers = {"Content-Encoding": ", ".join(["gzip"] * answer.layers)}
    response = requests.Response()
    response.raw = urllib3.HTTPResponse(io.BytesIO(answer.body), headers, 200, preload_content=False)
    response.headers.update(headers)
    try:
        body = unpacking.read(response, MAX_BODY_BYTES, time.monotonic() + 30)
        _ = responses.decode(ENDPOINT, body, answer.result).info
    except (PollError, unpacking.UnpackingError):
        pass


@contextmanager
def watched() -> Iterator[Callable[[], float]]:
    """Read the clock in another thread all the time; yield a function that returns its longest wait in seconds."""
    longest, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not over.is_set():
            time.sleep(0.0002)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    thread = threading.Thread(target=watch)
    thread.start()
    yield lambda: longest
    over.set()
    thread.join()


def measure(answer: Hostile) -> tuple[float, float]:
    """Return the seconds that reading a response takes, and the seconds that another thread waits."""
    took, waited = [], []
    for _ in range(ROUNDS):
        with watched() as longest:
            time.sleep(0.01)
            started = time.perf_counter()
            read(answer)
            took.append(time.perf_counter() - started)
            time.sleep(0.01)
        waited.append(longest())
    return min(took), min(waited)


def main() -> None:
    """Measure every response; exit with status 1 if one of them blocks other threads for too long."""
    worst = 0.0
    for name, answer in ANSWERS.items():
        took, waited = measure(answer)
        worst = max(worst, waited)
        print(f"{name:32}  takes {took * 1e3:6.1f} ms, other threads wait {waited * 1e3:5.1f} ms", flush=True)
    print(f"longest wait: {worst * 1e3:.1f} ms, limit: {MOST_SECONDS * 1e3:.0f} ms")
    sys.exit(worst > MOST_SECONDS)


if __name__ == "__main__":
    main()
