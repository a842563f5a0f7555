"""The last good summaries in a folder, so that a restart while Cloudflare is down still has numbers.

One file a target, replaced atomically. It holds sums, times and hashes, and domains where they are asked for, but no
user and no secret. What is read is not trusted: a file of somebody else, a damaged one and impossible numbers are set
aside. A folder that cannot be used at start is an error; later, a disk that cannot be written costs a warning and a
counter.
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
_MAX_BYTES = 64 * 1024 * 1024  # the results of a policy test over five million people, far above any other summary
_FOLDER = "snapshots"
_OF_OLDER_VERSIONS = re.compile(r"[a-z_]+-[0-9a-f]{32}\.json")  # which stood in the folder above


class Stored(msgspec.Struct, frozen=True):
    """The content of a file; `succeeded_at` is in seconds since the epoch, None before the first good poll.

    `others` are what must last of other subjects with the same name. Files of older versions have no such field.
    """

    format: str
    key: list[str]
    subject: str
    succeeded_at: Annotated[float, Meta(ge=0)] | None
    summary: msgspec.Raw
    checksum: str = ""
    others: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET

    def summed(self) -> "Stored":
        """Return it with a checksum of all other fields, so that a damaged number is never shown."""
        plain = msgspec.structs.replace(self, checksum="")
        return msgspec.structs.replace(self, checksum=hashlib.sha256(msgspec.json.encode(plain)).hexdigest())


class Kept(NamedTuple):
    """The content of a target's file: its summary, if it is for the same subject, and what to keep of others."""

    summary: object
    succeeded_at: float | None
    others: Others


class Storage:
    """Keeps summaries in a folder."""

    def __init__(self, folder: str, errors: prometheus_client.Counter) -> None:
        """Create the folder below this one if it is missing, and clean up after other versions and killed processes.

        Raises StorageError for a folder that cannot be used.
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
                told = facts(file=path, error=error.strerror)
                log.warning("cannot remove the leftovers of an interrupted write", extra=told)
            self._adopt(Path(folder))
        except OSError as error:
            inner = error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EPERM)
            raise StorageError(_in_words(str(self._folder.path) if inner else folder, error)) from None

    def save(self, collector: AnyCollector, summary: object, succeeded_at: float | None, others: Others) -> bool:
        """Write a summary and return whether that worked; a failure is logged and counted."""
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
        """Return what is stored under the name of the target, or None."""
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
        """Rename the file of a target, so that it is not read again, and log why."""
        self._errors.inc()
        file = self._folder.path / _name(collector)
        try:
            aside = self._folder.set_aside(file.name)
        except OSError as error:
            told = facts(file=file, reason=reason, error=error.strerror)
            log.warning("stored snapshot cannot be used", extra=told)
        else:
            told = facts(file=file, reason=reason, aside=aside)
            log.warning("stored snapshot cannot be used and is set aside", extra=told)

    def _adopt(self, folder: Path) -> None:
        """Move the files that older versions stored one folder above."""
        for file in list(folder.iterdir()):
            if _OF_OLDER_VERSIONS.fullmatch(file.name):
                try:
                    self._folder.adopt(file)
                except (OSError, ValueError) as error:
                    self._errors.inc()
                    told = facts(file=file, reason=error.strerror if isinstance(error, OSError) else error)
                    log.warning("stored snapshot of an older version cannot be used", extra=told)

    def _warn(self, message: str, error: OSError) -> None:
        self._errors.inc()
        if not self._failing:
            log.warning(message, extra=facts(folder=self._folder.path, error=error.strerror))
        self._failing = True


def _in_words(folder: str, error: OSError) -> str:
    """Return a line that says what is wrong with a folder, and how to fix it."""
    user = f"user {os.geteuid()}"
    what_to_do = {
        errno.ENOENT: "name a folder whose parent folder exists; only the last one is created",
        errno.ENOTDIR: "name a folder, not a file",
        errno.EACCES: f"let {user} write to it, or name another folder",
        errno.EPERM: f"remove it or give it to {user} alone, or name another folder",
        errno.EROFS: "name a folder on a volume that can be written",
        errno.ENOSPC: "make room on its volume",
        errno.EDQUOT: "make room on its volume",
    }
    advice = what_to_do.get(error.errno or 0, "name another folder")
    return f"--storage.path: the folder {folder!r} cannot be used: {error.strerror}; {advice}"


def _name(collector: AnyCollector) -> str:
    name = hashlib.sha256("\0".join(collector.identity).encode()).hexdigest()[:32]
    return f"{collector.identity.collector}-{name}.json"


def _decoded(content: bytes, collector: AnyCollector) -> tuple[Stored, object]:
    """Return the content of a file, and the summary in it; raises MsgspecError or ValueError for any other content."""
    stored = msgspec.json.decode(content, type=Stored)
    is_of_target = stored.format == FORMAT and stored.key == list(collector.identity)
    if not is_of_target or stored.checksum != stored.summed().checksum:
        raise ValueError("not a snapshot of this target")
    summary: object = msgspec.json.decode(stored.summary, type=collector.summary_type)
    return stored, summary
