"""The command: what it does with signals, with its output, and with its exit code."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn


def run() -> NoReturn:
    """Be the process: run the exporter with the arguments of the command line, and end."""
    # Python would wait for threads that hold the log, and end in an abort where one is in a library written in Rust.
    os._exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter; return the exit code."""
    try:
        _watch_signals()
        from access_exporter import app, flags  # noqa: PLC0415 – takes some tenths of a second

        options = flags.parse(arguments)
        _check_output(needed=options.once or options.check or options.idle_seats is not None)
        code = app.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130  # as a shell says of a program ended by Ctrl-C
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # nobody reads the rest, as with `| head`
            sys.stderr.write(f"cloudflare-access-exporter: cannot write: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still to be written at the end
        return 1


def _watch_signals() -> None:
    # It would end a process that is starting. Blocked, it waits until a reload is possible, and is not forgotten.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    signal.signal(signal.SIGTERM, _end)  # without a handler, the first process of a container would not notice it


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # as a shell says of a program ended by a signal


def _check_output(*, needed: bool) -> None:
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # what the locale cannot write
    elif needed:
        sys.exit("cloudflare-access-exporter: standard output is closed")


if __name__ == "__main__":
    run()
