import platform
import subprocess
import sys

import pytest

from tests.processes import ROOT

# glibc has a heap for each of these threads by default; each thread holds memory while glibc reports its heaps.
PROGRAM = """
import ctypes, threading
from access_exporter import memory
memory.keep_small()
barrier = threading.Barrier(9)
def hold():
    held = [bytes(1000) for _ in range(1000)]
    barrier.wait()
    barrier.wait()
for _ in range(8):
    threading.Thread(target=hold).start()
barrier.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
barrier.wait()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_threads_share_their_heaps() -> None:
    """With any number of threads, glibc uses at most two heaps for all of them."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert 1 <= ended.stdout.count(b"<heap nr=") <= 2
