"""Memory that was freed goes back to the system, so that an odd answer of Cloudflare leaves the process no larger."""

import contextlib
import ctypes

_M_ARENA_MAX = -8  # of glibc's malloc.h; https://man7.org/linux/man-pages/man3/mallopt.3.html


def keep_small() -> None:
    """Let glibc share two heaps among all threads, not have one for each; other C libraries are left as they are."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Give what glibc keeps of freed memory back to the system, as it does not where something is in use above it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
