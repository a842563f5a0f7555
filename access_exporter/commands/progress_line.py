"""A line on a terminal that says how far something is. Elsewhere nothing is written."""

from types import TracebackType
from typing import Self, TextIO


class ProgressLine:
    """The line, which is gone after the block."""

    def __init__(self, stream: TextIO) -> None:
        """Show nothing yet."""
        self._terminal = stream if stream.isatty() else None
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Replace the line."""
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def clear(self) -> None:
        """Take the line away."""
        self._write("\r\x1b[K")
        self._width = 0

    def _write(self, text: str) -> None:
        if self._terminal:
            self._terminal.write(text)
            self._terminal.flush()
