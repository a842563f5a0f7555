"""What the system says about the process, also where it says little."""

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
    """Return the line of /proc/self/stat of a process that started so many seconds after the boot."""
    return f"7 (a ) b) S {' '.join(['1'] * 18)} {round(started * TICKS)} 9 9\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc/self without anything in it."""
    return tmp_path


def metrics(proc: Path) -> CollectorRegistry:
    """The metrics at 1,000,000 s since the epoch and 500 s since the boot."""
    registry = CollectorRegistry()
    ProcessMetrics(registry, proc, clock=lambda: 1_000_000, since_boot=lambda: 500)
    return registry


def names(registry: CollectorRegistry) -> set[str]:
    """The names of the families on the page."""
    encoded = encode(registry.collect(), Format.OPENMETRICS)
    page = b"".join(piece for pair in encoded.pairs() for piece in pair) + END
    parsed = text_string_to_metric_families(page.decode())  # type: ignore[no-untyped-call]  # it has no types
    return {family.name for family in parsed}


def own(name: str) -> Callable[[], float]:
    """Return what reads a number of this very process."""
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
    """Each file that is opened counts, and the limit is the one that holds now."""
    read = own("open_fds")
    before = read()
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(tempfile.TemporaryFile())
        assert read() == before + 7
    assert read() == before
    assert own("max_fds")() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_everything_is_there(proc: Path) -> None:
    """With a whole /proc there are all six standard metrics, without anything about the machine's boot."""
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
def test_the_start_is_always_known(proc: Path, content: str | None) -> None:
    """Where /proc does not say when the process started, or says nonsense, it is when its metrics did."""
    if content is not None:
        (proc / "stat").write_text(content, encoding="ascii")
    registry = metrics(proc)
    assert registry.get_sample_value("process_start_time_seconds") == 1_000_000
    assert names(registry) == ALWAYS


@pytest.mark.parametrize("content", ["", "300", "x y z", "\n"])
def test_memory_that_cannot_be_read(proc: Path, content: str) -> None:
    """Memory in another format is omitted, and the scrape goes on."""
    (proc / "statm").write_text(content, encoding="ascii")
    assert names(metrics(proc)) == ALWAYS


def test_no_limit_of_open_files(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit of open files is an infinite one, and a limit that is hidden is omitted."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert metrics(proc).get_sample_value("process_max_fds") == float("inf")

    def refuse(_: int) -> tuple[int, int]:
        raise PermissionError("refused")

    monkeypatch.setattr(resource, "getrlimit", refuse)
    assert names(metrics(proc)) == ALWAYS - {"process_max_fds"}
