"""The last good summaries in a folder, so that a restart while Cloudflare is down still has numbers.

One file a target, replaced atomically: whatever moment the process is killed at, a file is either the old or the new
one. It holds sums, times and hashes, and domains where they are asked for, but no user and no secret. A disk that
cannot be written costs a warning and a counter.
"""

import contextlib
import hashlib
import itertools
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import prometheus_client

from access_exporter.collectors import AnyCollector
from access_exporter.logs import facts
from access_exporter.polling.lasting import Others, fingerprint

log = logging.getLogger(__name__)

FORMAT = "cloudflare-access-exporter snapshot 2"
_MAX_BYTES = 64 * 1024 * 1024  # the results of a policy test over five million people, far above any other summary
_WRITING = ".writing-"


class Stored(msgspec.Struct, frozen=True):
    """What a file holds; `succeeded_at` is in seconds since the epoch, None before the first good poll.

    `others` are what must last of other subjects with the same name. Files of older versions have no such field.
    """

    format: str
    key: list[str]
    subject: str
    succeeded_at: float | None
    summary: msgspec.Raw
    checksum: str = ""
    others: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET

    def summed(self) -> "Stored":
        """Return it with the checksum of all the rest, so that no damaged number is ever shown."""
        plain = msgspec.structs.replace(self, checksum="")
        return msgspec.structs.replace(self, checksum=hashlib.sha256(msgspec.json.encode(plain)).hexdigest())


class Kept(NamedTuple):
    """What a file says of a target: its summary, if that is about the same subject, and what others left behind."""

    summary: object
    succeeded_at: float | None
    others: Others


class Storage:
    """Keeps summaries in a folder."""

    def __init__(self, folder: str, errors: prometheus_client.Counter) -> None:
        """Make the folder where it is missing, and remove what a killed process was writing in it."""
        self._folder = Path(folder)
        self._errors = errors
        self._failing = False
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for leftover in self._folder.glob(f"{_WRITING}*"):
                leftover.unlink()
        except OSError as error:
            self._warn("the storage folder cannot be used", error)

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
            _replace(self._path(collector), msgspec.json.encode(stored.summed()))
        except OSError as error:
            self._warn("snapshot not stored", error)
            return False
        self._failing = False
        return True

    def load(self, collector: AnyCollector) -> Kept | None:
        """Return what was stored under the name of the target; None where that is nothing."""
        path = self._path(collector)
        try:
            content = _read(path)
            stored = msgspec.json.decode(content, type=Stored)
            if (
                stored.format != FORMAT
                or stored.key != list(collector.identity)
                or stored.checksum != stored.summed().checksum
            ):
                raise ValueError("not a snapshot of this target")
            summary: object = msgspec.json.decode(stored.summary, type=collector.summary_type)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn("snapshot not read", error)
            return None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._set_aside(path)
            return None
        others = stored.others or {}
        if stored.subject == fingerprint(collector):
            return Kept(summary, stored.succeeded_at, others)
        lasting = collector.lasting(summary)
        left = {} if lasting is None else {stored.subject: msgspec.Raw(msgspec.json.encode(lasting))}
        return Kept(None, None, others | left)

    def _path(self, collector: AnyCollector) -> Path:
        name = hashlib.sha256("\0".join(collector.identity).encode()).hexdigest()[:32]
        return self._folder / f"{collector.identity.collector}-{name}.json"

    def _set_aside(self, path: Path) -> None:
        self._errors.inc()
        names = (path.with_suffix(f".unusable-{number}") for number in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        try:
            path.rename(aside)
        except OSError as error:
            log.warning("stored snapshot cannot be used", extra=facts(file=path, error=error.strerror))
        else:
            log.warning("stored snapshot cannot be used and is set aside", extra=facts(file=path, aside=aside))

    def _warn(self, message: str, error: OSError) -> None:
        self._errors.inc()
        if not self._failing:
            log.warning(message, extra=facts(folder=self._folder, error=error.strerror))
        self._failing = True


def _read(path: Path) -> bytes:
    """Return the content of a file; raises OSError, or ValueError for what is none of ours at first sight."""
    if not stat.S_ISREG(path.stat().st_mode):  # to open a named pipe would wait for somebody to write into it
        raise ValueError("not a file")
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("too big")
    return content


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=_WRITING, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
