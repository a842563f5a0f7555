"""Memory that was freed goes back to the system, so that an odd answer of Cloudflare leaves the process no larger."""

import contextlib
import ctypes

# https://man7.org/linux/man-pages/man3/mallopt.3.html; the numbers are those of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_BLOCK_BYTES = 128 * 1024


def keep_small() -> None:
    """Let glibc share two heaps among all threads, and keep no large block; other C libraries are left as they are.

    By default each thread of a poll may get a heap of its own, and each heap stays as large as it ever was.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _BLOCK_BYTES)
