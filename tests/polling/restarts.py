"""An exporter that the tests start several times with the same storage folder."""

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import requests

from access_exporter.polling.storage import Stored
from access_exporter.simulator import Handler, PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import TOKEN, Registration
from tests.processes import Exporter, exporter

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
PEOPLE = [
    User(f"person {number}", access_seat=True, active_device_count=1, email=f"person{number}@example.com")
    for number in range(3)
]
DEVICES = tuple(
    Registration(
        f"device {number}", {"id": f"person {number}", "email": f"Person{number}@example.com"}, {}, last_seen_at=seen
    )
    for number, seen in enumerate((datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)))
)
RESULTS = [PolicyTestUser("1", status="approved"), PolicyTestUser("2", status="blocked")]


class Restarts:
    """An exporter that the tests start several times with the same storage folder."""

    def __init__(self, cloudflare: Simulator, folder: Path) -> None:
        self.cloudflare = cloudflare
        self.path = folder / "storage"
        self.folder = self.path / "snapshots"
        self.config = folder / "config.yaml"
        self.write()

    def write(self, test: str = "t1", stale_after: str = "30m") -> None:
        self.config.write_text(
            f"api: {{url: '{self.cloudflare.url}'}}\naccounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n"
            f"    users: {{stale_after: {stale_after}}}\n"
            f"    policy_tests: [{{id: {test}, name: wiki, stale_after: {stale_after}}}]\n",
            encoding="utf-8",
        )

    def run(self) -> AbstractContextManager[Exporter]:
        return exporter(f"--config.file={self.config}", f"--storage.path={self.path}")

    def fill(self) -> str:
        """Let the exporter store good numbers, kill it, and return its last metrics page."""
        with self.run() as running:
            for target in ("devices", "users", "wiki"):
                running.wait_for("poll succeeded", target=target)
            served = metrics(running)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
        return served

    def rewrite(self, collector: str, summary: dict[str, Any], **changes: Any) -> None:
        """Change the stored data of a target, with a matching checksum."""
        (file,) = self.folder.glob(f"{collector}-*.json")
        stored = msgspec.json.decode(file.read_bytes(), type=Stored)
        content = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(stored.summary) | summary))
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(stored, summary=content, **changes).summed()))


def kill_at(
    cloudflare: Simulator, starting: AbstractContextManager[Exporter], is_the_moment: Callable[[Request], bool]
) -> None:
    """Start an exporter, and kill it during the first request that `is_the_moment` selects."""
    running: list[Exporter] = []
    serves, killed = threading.Event(), threading.Event()

    def kill(_: Handler) -> None:
        assert serves.wait(10)
        running[0].process.send_signal(signal.SIGKILL)
        running[0].process.wait()
        killed.set()

    cloudflare.fault = lambda request: kill if is_the_moment(request) else None
    with starting as started:
        running.append(started)
        serves.set()
        assert killed.wait(10)
    cloudflare.fault = None


def metrics(running: Exporter) -> str:
    return requests.get(f"{running.url}/metrics", timeout=10).text


def numbers(text: str) -> list[str]:
    """Return the data of the targets and its times, without the metrics about polls."""
    ours = [line for line in text.splitlines() if line.startswith("cloudflare_access_")]
    health = ("cloudflare_access_api_", "cloudflare_access_exporter_", "cloudflare_access_poll_")
    kept = "cloudflare_access_poll_last_success_timestamp_seconds"
    return [line for line in ours if line.startswith(kept) or not line.startswith(health)]
