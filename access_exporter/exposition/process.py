"""What every Prometheus client says of its process, by as few system calls as can be.

After each of them a scrape waits for its turn while a poll computes, and prometheus-client's own collector makes forty.

process_resident_memory_bytes 4.5e+07
"""

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import prometheus_client
from prometheus_client import Metric
from prometheus_client.registry import Collector

from access_exporter.exposition.families import counter, gauge

_PAGE_BYTES = resource.getpagesize()


class ProcessCollector(Collector):
    """Memory in bytes, CPU time in seconds, open files; nothing where there is no /proc, as on macOS."""

    def __init__(self) -> None:
        """Take over what never changes."""
        always = prometheus_client.ProcessCollector(registry=None).collect()
        self._start_time = [family for family in always if family.name == "process_start_time_seconds"]
        self._memory: int | None = None
        with contextlib.suppress(OSError):
            self._memory = os.open("/proc/self/statm", os.O_RDONLY)  # open as long as the process lives

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        if self._memory is None:
            return
        with contextlib.suppress(OSError):
            # In pages: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html
            virtual, resident = (int(pages) * _PAGE_BYTES for pages in os.pread(self._memory, 100, 0).split()[:2])
            yield gauge("process_virtual_memory_bytes", "Virtual memory of the process.", [({}, virtual)])
            yield gauge("process_resident_memory_bytes", "Resident memory of the process.", [({}, resident)])
            yield from self._start_time
            yield counter("process_cpu_seconds_total", "CPU time of the process.", [({}, time.process_time())])
            yield gauge("process_open_fds", "Open file descriptors of the process.", [({}, _open_files())])
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            yield gauge("process_max_fds", "File descriptors the process may have open.", [({}, most)])


def _open_files() -> int:
    """Return their number, which Linux tells at once since 6.2, and before as a list."""
    return Path("/proc/self/fd").stat().st_size or len(list(Path("/proc/self/fd").iterdir()))
