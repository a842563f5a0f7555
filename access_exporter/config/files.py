"""Files that people name: read no further than they can be of use, and waited for no longer than a person would."""

import errno
import os
import select
import stat
from pathlib import Path
from time import monotonic

PATIENCE_SECONDS = 5
_PIECE_BYTES = 64 * 1024


def read(path: str | Path, limit: int) -> bytes:
    """Return the content of a file, or of a pipe, such as a shell makes of `<(sops -d config.yaml)`.

    Raises OSError for what cannot be read, has more than `limit` bytes, or does not come to its end in time, as a named
    pipe that nobody writes into, and ValueError for what is no path.
    """
    content = bytearray()
    end = monotonic() + PATIENCE_SECONDS
    with open(path, "rb", buffering=0, opener=_at_once) as file:
        readable = select.poll()
        readable.register(file, select.POLLIN)
        while readable.poll(max(0, end - monotonic()) * 1000):
            piece = file.read(min(_PIECE_BYTES, limit + 1 - len(content)))
            if not piece and piece is not None:
                return bytes(content)
            content += piece or b""
            if len(content) > limit:
                raise OSError(errno.EFBIG, f"it has more than {limit} bytes")
    raise OSError(errno.ETIME, f"reading it did not finish within {PATIENCE_SECONDS:g} s")


def check(path: str | Path) -> None:
    """Raise OSError where a file cannot be opened or is none, and ValueError for what is no path.

    A library that opens a named pipe waits until somebody writes into it.
    """
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
