"""Memory: the process returns freed memory to the system, so that it shrinks again after an unusual response."""

import contextlib
import ctypes

# From malloc.h of glibc; see https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_small() -> None:
    """Let all threads share two heaps of glibc, instead of one heap for each thread. Change no other C library.

    Freed blocks of 1 MiB and more, which are larger than any page of rows, return to the system at once. By default
    glibc would keep such blocks after the first one. It keeps smaller blocks for the next page.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        mallopt(_M_TRIM_THRESHOLD, 4 << 20)


def give_back() -> None:
    """Return all freed memory to the system. By itself, glibc keeps freed memory that lies below memory in use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
