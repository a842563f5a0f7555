"""A line that shows progress on a terminal. Without a terminal, the exporter writes no such line."""

from types import TracebackType
from typing import Self, TextIO


class ProgressLine:
    """The progress line. It disappears at the end of the `with` block."""

    def __init__(self, stream: TextIO) -> None:
        """Use this stream if it is a terminal, but show nothing yet."""
        self._terminal = stream if stream.isatty() else None
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Show this text in place of the line."""
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def clear(self) -> None:
        """Remove the line."""
        self._write("\r\x1b[K")
        self._width = 0

    def _write(self, text: str) -> None:
        if self._terminal:
            self._terminal.write(text)
            self._terminal.flush()
