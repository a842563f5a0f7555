"""The standard metrics of a process: `process_cpu_seconds_total`, `process_resident_memory_bytes` and four more.

A sandbox such as gVisor, or a hardened systemd unit, hides parts of /proc. The exporter omits values that it cannot
read.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from access_exporter.exposition.families import counter, gauge

_UNREADABLE = (OSError, ValueError, IndexError)  # file missing, permission denied, or not in the format of proc(5)


class ProcessMetrics(Collector):
    """The metrics of this process, read from the operating system at each scrape."""

    def __init__(
        self,
        registry: CollectorRegistry,
        proc: Path = Path("/proc/self"),
        clock: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        """Register the metrics. `clock` returns seconds since the epoch, `since_boot` seconds since the boot."""
        self._proc = proc
        self._started_at = clock() - _age(proc, since_boot)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield each family. A family with an unknown value has no samples, so the page omits it."""
        size, resident = self._memory()
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", [({}, size)])
        yield gauge("process_resident_memory_bytes", "Resident memory size in bytes.", [({}, resident)])
        yield gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            [({}, self._started_at)],
        )
        yield counter(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            [({}, used.ru_utime + used.ru_stime)],
        )
        yield gauge("process_open_fds", "Number of open file descriptors.", [({}, self._open_files())])
        yield gauge("process_max_fds", "Maximum number of open file descriptors.", [({}, _most_open_files())])

    def _memory(self) -> tuple[float | None, float | None]:
        """Return the virtual and the resident memory in bytes."""
        try:
            size, resident = (self._proc / "statm").read_text(encoding="ascii").split()[:2]
            return float(size) * resource.getpagesize(), float(resident) * resource.getpagesize()
        except _UNREADABLE:
            return None, None

    def _open_files(self) -> float | None:
        with suppress(*_UNREADABLE):
            return len(os.listdir(self._proc / "fd"))  # noqa: PTH208 – iterdir takes three times as long
        return None


def _age(proc: Path, since_boot: Callable[[], float]) -> float:
    """Return the seconds since the start of the process, or 0 if they are unknown: it has only just started."""
    with suppress(*_UNREADABLE):
        # The name of a program may contain spaces and parentheses. The other fields follow the last parenthesis.
        ticks = float((proc / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19])
        age = since_boot() - ticks / os.sysconf("SC_CLK_TCK")
        return age if ticks > 0 and age > 0 else 0
    return 0


def _most_open_files() -> float | None:
    with suppress(*_UNREADABLE):
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return float("inf") if soft == resource.RLIM_INFINITY else soft
    return None
