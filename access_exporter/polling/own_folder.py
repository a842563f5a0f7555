"""A folder that only the exporter writes: created with mode 0700 in a folder that any user may write to.

A volume is often open to every user, such as an emptyDir of Kubernetes. So a name in it proves nothing:
a folder or file that belongs to another user, is a symbolic link, or may be written by everybody is refused. All paths
are resolved from the open folder, so that no other process can exchange it in between.
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
_PROBE = bytes(4096)  # a full disk may still take an empty file
_WRITABLE_BY_ALL = stat.S_IWOTH
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe waits for somebody to write into it
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnFolder:
    """A folder of the exporter's own. Its methods also raise OSError if it is missing or refused."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self.path = path

    def make(self) -> None:
        """Create the folder, and the one above it, if they are missing, and check that files can be written.

        No more than these two: a typing error in a path must not leave a row of folders behind.
        """
        for path in (self.path.parent, self.path):
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        with self._written(_PROBE) as (writing, folder):
            os.unlink(writing, dir_fd=folder)

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file; raises ValueError, with the reason, for one that is refused or larger."""
        with self._opened() as folder:
            _check_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
            with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
                _check_file(os.fstat(file.fileno()))
                content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError("it is too large")
        return content

    def replace(self, name: str, content: bytes) -> None:
        """Write a file so that it is either the old or the new one, even if the process is killed at any moment."""
        with self._written(content) as (writing, folder):
            os.rename(writing, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def set_aside(self, name: str) -> Path:
        """Rename a file, or anything else with its name, and return the new name."""
        with self._opened() as folder:
            taken = set(_names(folder))
            numbered = (f"{name.removesuffix('.json')}.unusable-{number}" for number in itertools.count(1))
            aside = next(each for each in numbered if each not in taken)
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        return self.path / aside

    def remove_leftovers(self) -> Iterator[tuple[Path, OSError]]:
        """Remove the unfinished files of a killed process, and yield those that cannot be removed, with the reason."""
        with self._opened() as folder:
            for name in _names(folder):
                if name.startswith(_WRITING):
                    try:
                        os.unlink(name, dir_fd=folder)
                    except OSError as error:
                        yield self.path / name, error

    def adopt(self, file: Path) -> None:
        """Move a file in here, unless there is one with its name; raises ValueError, with the reason, if refused."""
        with self._opened() as folder:
            _check_file(file.lstat())
            try:
                os.stat(file.name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                os.rename(file, file.name, dst_dir_fd=folder)

    @contextlib.contextmanager
    def _written(self, content: bytes) -> Iterator[tuple[str, int]]:
        """Write a new file, and yield its name and the open folder; remove it after an error."""
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
            if found.st_mode & _OPEN_TO_OTHERS:  # as Kubernetes leaves it, where it mounts the volume for a group
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
    """Return why a folder or file is not trusted; an empty text if it is."""
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    return "everybody may write to it" if found.st_mode & _WRITABLE_BY_ALL else ""
