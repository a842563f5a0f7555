"""The storage: it keeps the last summary of each target in a folder, so that numbers survive a restart.

Each target has one file, which the exporter replaces atomically. A file holds sums, times and hashes, and domains if
they are configured, but no user and no secret. The exporter does not trust the files: it sets aside a file of another
user, a damaged file and a file with impossible numbers (it renames the file). If the folder cannot be used at start,
the exporter exits with an error. If a write fails later, the exporter logs a warning and counts it.
"""

import errno
import hashlib
import logging
import os
import re
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import prometheus_client
from msgspec import Meta

from access_exporter.collectors import AnyCollector
from access_exporter.errors import StorageError
from access_exporter.logs import facts
from access_exporter.polling.lasting import Others, fingerprint
from access_exporter.polling.own_folder import OwnFolder

log = logging.getLogger(__name__)

FORMAT = "cloudflare-access-exporter snapshot 2"
_MAX_BYTES = 64 * 1024 * 1024  # enough for a policy test of five million users; all other summaries are much smaller
_FOLDER = "snapshots"
_OF_OLDER_VERSIONS = re.compile(r"[a-z_]+-[0-9a-f]{32}\.json")  # older versions wrote these to the parent folder


class Stored(msgspec.Struct, frozen=True):
    """The content of a file. `succeeded_at`: end of the last successful poll, in seconds since the epoch, or None.

    `others`: the kept parts of other subjects with the same name. Files of older versions do not have this field.
    """

    format: str
    key: list[str]
    subject: str
    succeeded_at: Annotated[float, Meta(ge=0)] | None
    summary: msgspec.Raw
    checksum: str = ""
    others: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET

    def summed(self) -> "Stored":
        """Return a copy with a checksum of all other fields. With it, the exporter detects a damaged file."""
        plain = msgspec.structs.replace(self, checksum="")
        return msgspec.structs.replace(self, checksum=hashlib.sha256(msgspec.json.encode(plain)).hexdigest())


class Kept(NamedTuple):
    """The stored data of a target: the summary, if it has the same subject, and the kept parts of other subjects."""

    summary: object
    succeeded_at: float | None
    others: Others


class Storage:
    """Stores summaries as files in a folder."""

    def __init__(self, folder: str, errors: prometheus_client.Counter) -> None:
        """Create the folder `snapshots` in `folder` if it is missing, remove unfinished files, and move old files in.

        Raises StorageError if the folder cannot be used.
        """
        self._folder = OwnFolder(Path(folder) / _FOLDER)
        self._errors = errors
        self._failing = False
        try:
            if not folder:
                raise OSError(errno.ENOENT, "it has no name")
            self._folder.make()
            for path, error in self._folder.remove_leftovers():
                self._errors.inc()
                details = facts(file=path, error=error.strerror)
                log.warning("cannot remove the leftovers of an interrupted write", extra=details)
            self._adopt(Path(folder))
        except OSError as error:
            inner = error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EPERM)
            raise StorageError(_in_words(str(self._folder.path) if inner else folder, error)) from None

    def save(self, collector: AnyCollector, summary: object, succeeded_at: float | None, others: Others) -> bool:
        """Write a summary. Return False, log and count the error if the write fails."""
        stored = Stored(
            FORMAT,
            list(collector.identity),
            fingerprint(collector),
            succeeded_at,
            msgspec.Raw(msgspec.json.encode(summary)),
            others=dict(others) or msgspec.UNSET,
        )
        try:
            self._folder.replace(_name(collector), msgspec.json.encode(stored.summed()))
        except OSError as error:
            self._warn("snapshot not stored", error)
            return False
        self._failing = False
        return True

    def load(self, collector: AnyCollector) -> Kept | None:
        """Return the stored data for the name of the target, or None. Set a file aside that cannot be used."""
        try:
            content = self._folder.read(_name(collector), _MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn("snapshot not read", error)
            return None
        except ValueError as refusal:
            self.set_aside(collector, str(refusal))
            return None
        try:
            stored, summary = _decoded(content, collector)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.set_aside(collector, "it is damaged, or not a snapshot of this target")
            return None
        if not collector.is_possible(summary, stored.succeeded_at):
            self.set_aside(collector, "its numbers are impossible")
            return None
        others = stored.others or {}
        if stored.subject == fingerprint(collector):
            return Kept(summary, stored.succeeded_at, others)
        lasting = collector.lasting(summary)
        left = {} if lasting is None else {stored.subject: msgspec.Raw(msgspec.json.encode(lasting))}
        return Kept(None, None, others | left)

    def set_aside(self, collector: AnyCollector, reason: str) -> None:
        """Rename the file of a target, so that it is not used, and log the reason."""
        self._errors.inc()
        file = self._folder.path / _name(collector)
        try:
            aside = self._folder.set_aside(file.name)
        except OSError as error:
            details = facts(file=file, reason=reason, error=error.strerror)
            log.warning("stored snapshot not used, and its file cannot be renamed", extra=details)
        else:
            details = facts(file=file, reason=reason, aside=aside)
            log.warning("stored snapshot not used and set aside; the next poll brings new numbers", extra=details)

    def _adopt(self, folder: Path) -> None:
        """Move the files of older versions from the parent folder to the folder `snapshots`."""
        for file in list(folder.iterdir()):
            if _OF_OLDER_VERSIONS.fullmatch(file.name):
                try:
                    self._folder.adopt(file)
                except (OSError, ValueError) as error:
                    self._errors.inc()
                    details = facts(file=file, reason=error.strerror if isinstance(error, OSError) else error)
                    log.warning("stored snapshot of an older version not used", extra=details)

    def _warn(self, message: str, error: OSError) -> None:
        self._errors.inc()
        if not self._failing:
            log.warning(message, extra=facts(folder=self._folder.path, error=error.strerror))
        self._failing = True


def _in_words(folder: str, error: OSError) -> str:
    """Return an error message that says why a folder cannot be used, and how to fix that."""
    user = f"user {os.geteuid()}"
    what_to_do = {
        errno.ENOENT: "name a folder with an existing parent folder; the exporter creates only the last one",
        errno.ENOTDIR: "name a folder, not a file",
        errno.EACCES: f"let {user} write to it, or name another folder",
        errno.EPERM: f"remove it or give it to {user} alone, or name another folder",
        errno.EROFS: "name a folder on a writable volume",
        errno.ENOSPC: "make room on its volume",
        errno.EDQUOT: "make room on its volume",
    }
    advice = what_to_do.get(error.errno or 0, "name another folder")
    return f"--storage.path: the folder {folder!r} cannot be used: {error.strerror}; {advice}"


def _name(collector: AnyCollector) -> str:
    name = hashlib.sha256("\0".join(collector.identity).encode()).hexdigest()[:32]
    return f"{collector.identity.collector}-{name}.json"


def _decoded(content: bytes, collector: AnyCollector) -> tuple[Stored, object]:
    """Return the content of a file and its summary. Raises MsgspecError or ValueError if the file is not valid."""
    stored = msgspec.json.decode(content, type=Stored)
    is_of_target = stored.format == FORMAT and stored.key == list(collector.identity)
    if not is_of_target or stored.checksum != stored.summed().checksum:
        raise ValueError("not a snapshot of this target")
    summary: object = msgspec.json.decode(stored.summary, type=collector.summary_type)
    return stored, summary
