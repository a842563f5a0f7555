"""Log lines: one event a line, a constant message and facts as key=value, in logfmt or JSON, on standard error.

Both formats escape control characters, so that no string from the API or the configuration can forge a line
or drive a terminal.
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
MOST_WAITING = 1000  # lines that nobody reads
PATIENCE_SECONDS = 1  # with the last of them
_BARE = re.compile(r"[A-Za-z0-9_./:@+-]+")


def facts(**values: object) -> dict[str, dict[str, object]]:
    """Return the `extra` argument that carries the facts of a log event."""
    return {"facts": values}


def setup(level: str, form: str) -> None:
    """Send every log line of the process to standard error in this format, replacing earlier handlers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper().replace("WARN", "WARNING"), force=True)
    # These speak of single connections: what matters of them reaches the poll log line or a metric.
    for name in ("urllib3", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def in_background() -> Iterator[None]:
    """Within the block nobody who logs waits for whoever reads the log; lines for which there is no room are lost."""
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
        if is_written:  # or else its thread ends with the process
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
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for this record."""
        return _json(dict(_fields(record)))


class LogfmtFormatter(logging.Formatter):
    """`key=value` pairs, the value quoted as in JSON where it needs to be."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for this record."""
        return " ".join(f"{key}={_logfmt(value)}" for key, value in _fields(record))


def _logfmt(value: object) -> str:
    if isinstance(value, float):
        value = round(value, 3)
    text = str(value)
    return text if _BARE.fullmatch(text) else _json(text)


def _json(value: object) -> str:
    return json.dumps(value, default=str).replace("\x7f", "\\u007f")  # the one control character JSON leaves as it is
