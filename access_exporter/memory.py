"""Memory that was freed goes back to the system, so that an odd answer of Cloudflare leaves the process no larger."""

import contextlib
import ctypes

# Of glibc's malloc.h; https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_small() -> None:
    """Let glibc share two heaps among all threads, not have one for each; other C libraries are left as they are.

    What is larger than any page of rows goes back to the system at once, as it would not after the first time; what is
    as large as one is kept for the next.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        mallopt(_M_TRIM_THRESHOLD, 4 << 20)


def give_back() -> None:
    """Give what glibc keeps of freed memory back to the system, as it does not where something is in use above it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
