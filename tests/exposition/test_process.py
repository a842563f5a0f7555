"""Metrics about the process, even if /proc holds little information."""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from access_exporter.exposition.process import ProcessMetrics
from access_exporter.exposition.text import END, Format, encode

ALWAYS = {"process_start_time_seconds", "process_cpu_seconds", "process_max_fds"}
MEMORY = {"process_virtual_memory_bytes", "process_resident_memory_bytes"}
TICKS = os.sysconf("SC_CLK_TCK")
STATM = "300 200 10 1 0 50 0\n"


def stat(started: float) -> str:
    """Return the line of /proc/self/stat of a process that started this number of seconds after boot."""
    return f"7 (a ) b) S {' '.join(['1'] * 18)} {round(started * TICKS)} 9 9\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return an empty folder that replaces /proc/self."""
    return tmp_path


def metrics(proc: Path) -> CollectorRegistry:
    """Return the metrics at 1,000,000 s since the epoch and 500 s since boot."""
    registry = CollectorRegistry()
    ProcessMetrics(registry, proc, clock=lambda: 1_000_000, since_boot=lambda: 500)
    return registry


def names(registry: CollectorRegistry) -> set[str]:
    """Return the names of the families on the page."""
    encoded = encode(registry.collect(), Format.OPENMETRICS)
    page = b"".join(piece for pair in encoded.pairs() for piece in pair) + END
    parsed = text_string_to_metric_families(page.decode())  # type: ignore[no-untyped-call]  # it has no types
    return {family.name for family in parsed}


def own(name: str) -> Callable[[], float]:
    """Return a function that reads a metric of this test process."""
    registry = CollectorRegistry()
    ProcessMetrics(registry)

    def read() -> float:
        value = registry.get_sample_value(f"process_{name}")
        assert value is not None
        return value

    return read


def test_this_process() -> None:
    """Memory is in bytes, CPU time in seconds, and the start in seconds since the epoch."""
    statm = [int(pages) * resource.getpagesize() for pages in Path("/proc/self/statm").read_text().split()]
    assert own("virtual_memory_bytes")() == pytest.approx(statm[0], rel=0.01)
    assert own("resident_memory_bytes")() == pytest.approx(statm[1], rel=0.05)
    assert own("cpu_seconds_total")() == pytest.approx(time.process_time(), rel=0.05, abs=0.1)
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / TICKS
    assert own("start_time_seconds")() == pytest.approx(started, abs=2)


def test_open_files() -> None:
    """Each open file counts, and the maximum is the current limit."""
    read = own("open_fds")
    before = read()
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(tempfile.TemporaryFile())
        assert read() == before + 7
    assert read() == before
    assert own("max_fds")() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_all_metrics(proc: Path) -> None:
    """With a complete /proc there are all six standard metrics, and no metric about the boot of the machine."""
    (proc / "stat").write_text(stat(started=480), encoding="ascii")
    (proc / "statm").write_text(STATM, encoding="ascii")
    (proc / "fd").mkdir()
    (proc / "fd" / "0").touch()
    registry = metrics(proc)
    assert names(registry) == ALWAYS | MEMORY | {"process_open_fds"}
    assert registry.get_sample_value("process_start_time_seconds") == 1_000_000 - 20
    assert registry.get_sample_value("process_resident_memory_bytes") == 200 * resource.getpagesize()
    assert registry.get_sample_value("process_open_fds") == 1


@pytest.mark.parametrize(
    "content",
    [None, "", "7 (a) S", "garbage", "7 (a) S" + " x" * 30, stat(started=0), stat(started=501)],
)
def test_unknown_start(proc: Path, content: str | None) -> None:
    """If /proc has no valid start time of the process, the metric shows when the exporter created it."""
    if content is not None:
        (proc / "stat").write_text(content, encoding="ascii")
    registry = metrics(proc)
    assert registry.get_sample_value("process_start_time_seconds") == 1_000_000
    assert names(registry) == ALWAYS


@pytest.mark.parametrize("content", ["", "300", "x y z", "\n"])
def test_memory_that_cannot_be_read(proc: Path, content: str) -> None:
    """If /proc shows memory in another format, memory is omitted and the scrape succeeds."""
    (proc / "statm").write_text(content, encoding="ascii")
    assert names(metrics(proc)) == ALWAYS


def test_no_limit_of_open_files(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no limit of open files, the metric is +Inf; if the limit is hidden, the metric is omitted."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert metrics(proc).get_sample_value("process_max_fds") == float("inf")

    def refuse(_: int) -> tuple[int, int]:
        raise PermissionError("refused")

    monkeypatch.setattr(resource, "getrlimit", refuse)
    assert names(metrics(proc)) == ALWAYS - {"process_max_fds"}
