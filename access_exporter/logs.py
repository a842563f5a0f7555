"""The log: one line for each event, with a constant message and facts as key=value, on standard error.

The format is logfmt or JSON. Both escape control characters, so that no text from the API or the configuration can
forge a log line or send commands to a terminal.
"""

import contextlib
import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue

LEVELS = ("debug", "info", "warn", "error")
FORMATS = ("logfmt", "json")
MOST_WAITING = 1000  # log lines that wait to be written; further lines are lost
PATIENCE_SECONDS = 1  # the exporter waits this long at its end until the last log lines are written
_BARE = re.compile(r"[A-Za-z0-9_./:@+-]+")


def facts(**values: object) -> dict[str, dict[str, object]]:
    """Return the `extra` argument that carries the facts of a log event."""
    return {"facts": values}


def setup(level: str, form: str) -> None:
    """Send every log line of the process to standard error in this format, replacing earlier handlers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper().replace("WARN", "WARNING"), force=True)
    # These libraries log single connections. The exporter logs or counts what matters about a connection.
    for name in ("urllib3", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def in_background() -> Iterator[None]:
    """Within the block, write the log in another thread, so that a slow reader of the log delays no other thread.

    At most 1,000 lines wait to be written. Further lines are lost.
    """
    root = logging.getLogger()
    writers = [each for each in root.handlers if isinstance(each.formatter, JsonFormatter | LogfmtFormatter)]
    waiting: Queue[logging.LogRecord] = Queue(MOST_WAITING)
    listener = QueueListener(waiting, *writers)
    root.handlers = [*(each for each in root.handlers if each not in writers), _Queued(waiting)]
    listener.start()
    try:
        yield
    finally:
        with waiting.all_tasks_done:
            is_written = waiting.all_tasks_done.wait_for(lambda: not waiting.unfinished_tasks, PATIENCE_SECONDS)
        if is_written:  # otherwise the thread is blocked, and ends with the process
            listener.stop()
        root.handlers = [*(each for each in root.handlers if not isinstance(each, _Queued)), *writers]


class _Queued(QueueHandler):
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Full):
            self.queue.put_nowait(record)


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    yield "ts", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield "level", record.levelname.lower().replace("warning", "warn")
    yield "msg", record.getMessage()
    yield from getattr(record, "facts", {}).items()
    if record.exc_info and record.exc_info[0]:
        yield "exception", record.exc_info[0].__name__


class JsonFormatter(logging.Formatter):
    """Writes each log line as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for this record."""
        return _json(dict(_fields(record)))


class LogfmtFormatter(logging.Formatter):
    """Writes each log line as `key=value` pairs. A value with special characters is quoted as in JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for this record."""
        return " ".join(f"{key}={_logfmt(value)}" for key, value in _fields(record))


def _logfmt(value: object) -> str:
    if isinstance(value, float):
        value = round(value, 3)
    text = str(value)
    return text if _BARE.fullmatch(text) else _json(text)


def _json(value: object) -> str:
    return json.dumps(value, default=str).replace("\x7f", "\\u007f")  # JSON does not escape this control character
