"""A folder that only the exporter writes to. It is created with mode 0700 and may stand in a world-writable folder.

Every user may write to some volumes, such as an emptyDir of Kubernetes. So the exporter refuses a folder or file that
belongs to another user, is a symbolic link, or is world-writable. It resolves all paths from the open folder, so that
no other process can replace the folder in between (race condition).
"""

import contextlib
import errno
import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_WRITING = ".writing-"
_PROBE = bytes(4096)  # not empty: an empty file can often be written to a full disk
_WRITABLE_BY_ALL = stat.S_IWOTH
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # O_NONBLOCK: opening a named pipe must not block
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnFolder:
    """A folder that belongs to the exporter. All methods raise OSError if it is missing or refused."""

    def __init__(self, path: Path) -> None:
        """Set the path, without access to the disk."""
        self.path = path

    def make(self) -> None:
        """Create the folder and its parent if they are missing, and check that files can be written.

        Do not create folders above them, so that a typing error in a path does not create many folders.
        """
        for path in (self.path.parent, self.path):
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        with self._written(_PROBE) as (writing, folder):
            os.unlink(writing, dir_fd=folder)

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file. Raises ValueError, with the reason, if it is refused or too large."""
        with self._opened() as folder:
            _check_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
            with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
                _check_file(os.fstat(file.fileno()))
                content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError("it is too large")
        return content

    def replace(self, name: str, content: bytes) -> None:
        """Replace a file atomically: if the process is killed, the file has either its old or its new content."""
        with self._written(content) as (writing, folder):
            os.rename(writing, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def set_aside(self, name: str) -> Path:
        """Rename a file, or anything else with this name, to an unused name, and return the new path."""
        with self._opened() as folder:
            taken = set(_names(folder))
            numbered = (f"{name.removesuffix('.json')}.unusable-{number}" for number in itertools.count(1))
            aside = next(each for each in numbered if each not in taken)
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        return self.path / aside

    def remove_leftovers(self) -> Iterator[tuple[Path, OSError]]:
        """Remove the unfinished files of a killed process. Yield each file that cannot be removed, with the error."""
        with self._opened() as folder:
            for name in _names(folder):
                if name.startswith(_WRITING):
                    try:
                        os.unlink(name, dir_fd=folder)
                    except OSError as error:
                        yield self.path / name, error

    def adopt(self, file: Path) -> None:
        """Move a file into the folder, unless the folder has a file of this name. Raises ValueError if refused."""
        with self._opened() as folder:
            _check_file(file.lstat())
            try:
                os.stat(file.name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                os.rename(file, file.name, dst_dir_fd=folder)

    @contextlib.contextmanager
    def _written(self, content: bytes) -> Iterator[tuple[str, int]]:
        """Write a temporary file, and yield its name and the open folder. After an error, remove the file."""
        with self._opened() as folder:
            writing = f"{_WRITING}{secrets.token_hex(8)}"
            try:
                with os.fdopen(os.open(writing, _CREATE, 0o600, dir_fd=folder), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                yield writing, folder
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(writing, dir_fd=folder)
                raise

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        if self.path.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link")
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(folder)
            if reason := _refusal(found):
                raise OSError(errno.EPERM, reason)
            if found.st_mode & _OPEN_TO_OTHERS:  # Kubernetes sets such a mode with fsGroup
                os.fchmod(folder, 0o700)
            yield folder
        finally:
            os.close(folder)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _check_file(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise ValueError("it is a symbolic link")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a file")
    if reason := _refusal(found):
        raise ValueError(reason)


def _refusal(found: os.stat_result) -> str:
    """Return why the exporter does not trust a folder or file, or an empty string if it does."""
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    return "everybody may write to it" if found.st_mode & _WRITABLE_BY_ALL else ""
