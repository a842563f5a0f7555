"""The CPU time and memory of polls that also read the users' devices."""

import statistics

import msgspec

from benchmarks.cloudflare import ACCOUNT_ID, Scenario
from benchmarks.processes import Exporter, cloudflare, configuration, cpu, exporter

_OFTEN = {"interval": "10s", "stale_after": "1d"}
_ONCE = {"interval": "1d", "stale_after": "7d"}


class Cpu(msgspec.Struct, frozen=True):
    """Median CPU time in seconds of a poll of all users, without devices and with devices."""

    alone: float
    with_devices: float


def compare_cpu(users: int, rounds: int = 7) -> Cpu:
    """Return the CPU time of polls with and without devices, measured by turns.

    Each exporter runs in its own process, has already read all devices if it reads any, and is idle between polls.
    """
    with (
        cloudflare(Scenario(users)) as server,
        configuration(server.url, account={"users": _OFTEN}) as plain,
        configuration(server.url, account={"users": _OFTEN, "devices": _ONCE}) as judging,
        exporter(plain) as alone,
        exporter(judging) as with_devices,
    ):
        for running in (alone, with_devices):
            _wait_for_devices(running, expected=running is with_devices)
        spent = [(_of_next_poll(alone), _of_next_poll(with_devices)) for _ in range(rounds)]
    return Cpu(*map(statistics.median, zip(*spent, strict=True)))


def memory(users: int) -> float:
    """Return the peak memory in MB of an exporter that has polled this number of users and devices twice."""
    with (
        cloudflare(Scenario(users)) as server,
        configuration(server.url, account={"users": _OFTEN, "devices": _OFTEN}) as judging,
        exporter(judging) as running,
    ):
        _wait_for_devices(running, expected=True)
        devices = _last_success(running)
        while _last_success(running) == devices:
            running.wait_for_next_poll()
        running.wait_for_next_poll()
        return running.peak_memory()


def _of_next_poll(running: Exporter) -> float:
    running.wait_for_next_poll()  # otherwise, the measurement could start during a poll
    before = cpu(running.process)
    running.wait_for_next_poll()
    return cpu(running.process) - before


def _wait_for_devices(running: Exporter, *, expected: bool) -> None:
    """Wait until the exporter has polled the users and, if it reads devices, until the devices count."""
    running.wait_until_polled()
    while expected and b"cloudflare_access_users_active{" not in running.get("/metrics"):
        running.wait_for_next_poll()


def _last_success(running: Exporter) -> bytes:
    series = f'cloudflare_access_poll_last_success_timestamp_seconds{{account_id="{ACCOUNT_ID}",collector="devices"'
    return running.get("/metrics").partition(series.encode())[2].partition(b"\n")[0]
