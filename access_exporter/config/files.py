"""Reads the files that a person names, with a limit on size and time: the path may be an endless file or a pipe."""

import errno
import os
import select
import stat
from pathlib import Path
from time import monotonic

PATIENCE_SECONDS = 5
_PIECE_BYTES = 64 * 1024


def read(path: str | Path, limit: int) -> bytes:
    """Return the content of a file or a pipe. A shell makes a pipe of `<(sops -d config.yaml)`.

    Raises OSError if the file cannot be read or has more than `limit` bytes, and after five seconds, for example if no
    process writes into a named pipe. Raises ValueError if `path` is not a valid path.
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
    """Raise OSError if the path cannot be opened or is not a file, and ValueError if it is not a valid path.

    Call this before a library opens the file: it would wait without limit for a writer of a named pipe.
    """
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
