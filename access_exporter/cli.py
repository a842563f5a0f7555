"""The command line: reads the flags, loads the configuration, runs the chosen command and returns the exit code."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from access_exporter import options
from access_exporter.errors import CommandError, ConfigError, ExporterError, StorageError, UsageError
from access_exporter.options import Options
from access_exporter.token_shapes import without_tokens

if TYPE_CHECKING:
    from access_exporter.config import Config

log = logging.getLogger(__name__)

# Some modules take tenths of a second to import. Functions import them when they need them, so that `--version` and
# the error for a wrong flag come at once.


def run() -> NoReturn:
    """Run the exporter with the arguments of the command line, and exit."""
    # A normal exit of Python waits for threads that write the log, and aborts if a thread is in a library in Rust.
    os._exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter with these arguments, and return the exit code."""
    try:
        _watch_signals()
        chosen = options.parse(arguments)
        answer = chosen.answer
        _check_output(needed=chosen.once or chosen.check or chosen.lists_people or bool(answer))
        code = _print(answer) if answer else execute(chosen)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except UsageError as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        return 130  # the exit code that a shell reports after Ctrl-C
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader has ended, as in `| head`, and needs no message
            sys.stderr.write(f"cloudflare-access-exporter: cannot write: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python can flush its buffer without another error
        return 1


def execute(chosen: Options) -> int:
    """Run the command that the flags choose, and return its exit code.

    The code is 0 for success, 1 for a failure, 2 for a usage error and 3 for an exceeded limit.
    """
    from access_exporter import logs, memory  # noqa: PLC0415 – see the top of the file

    logs.setup(chosen.log_level, chosen.log_format)
    memory.keep_small()
    try:
        with ExitStack() as stack:
            return _choose(chosen, _loader(chosen, stack))
    except (CommandError, ConfigError, StorageError) as error:
        return _fail(error, 1)


def _fail(error: ExporterError, code: int) -> int:
    if sys.stderr is not None:  # None where standard error is closed
        with suppress(OSError):  # where the disk is full, the exit code still reports the failure
            sys.stderr.write(f"cloudflare-access-exporter: {without_tokens(str(error))}\n")
    return code


def _print(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _choose(chosen: Options, load: "Callable[[], Config]") -> int:
    if chosen.check:
        from access_exporter.commands import check  # noqa: PLC0415 – see the top of the file

        asked = check.Asked(chosen.shard_number(), chosen.total_shards, chosen.web_config_file, online=chosen.online)
        return check.run(load(), asked)
    if chosen.demo:
        log.warning("demo: the numbers come from a simulated account, not from Cloudflare")
    if chosen.idle_seats is not None:
        from access_exporter.clock import Clock  # noqa: PLC0415 – see the top of the file
        from access_exporter.commands import idle_seats  # noqa: PLC0415 – see the top of the file

        return idle_seats.run(load(), chosen.idle_seats, chosen.account, chosen.format or "table", Clock())
    if chosen.test_policy is not None:
        return _test_policy(chosen, chosen.test_policy, load())
    from access_exporter.app import App  # noqa: PLC0415 – see the top of the file

    app = App(chosen, load)
    app.load()
    return app.poll_once() if chosen.once else app.serve()


def _test_policy(chosen: Options, file: str, loaded: "Config") -> int:
    from access_exporter.clock import Clock  # noqa: PLC0415 – see the top of the file
    from access_exporter.commands import policy_check, policy_report  # noqa: PLC0415 – see the top of the file

    limits = {
        policy_report.MAX_BLOCKED: chosen.max_blocked,
        policy_report.MAX_NEWLY_BLOCKED: chosen.max_newly_blocked,
    }
    asked = policy_check.Asked(
        file,
        account_id=chosen.account,
        compare_with=chosen.compare_with,
        limits={flag: limit for flag, limit in limits.items() if limit is not None},
        lists_all=chosen.show == "all",
        timeout=policy_check.DEFAULT_TIMEOUT_SECONDS if chosen.timeout is None else chosen.timeout,
        format=chosen.format or "table",
    )
    return policy_check.run(loaded, asked, Clock())


def _loader(chosen: Options, stack: ExitStack) -> "Callable[[], Config]":
    """Return a function that loads the accounts of this shard, at the start and at every reload."""
    from access_exporter import config  # noqa: PLC0415 – see the top of the file

    shard, total = chosen.shard_number(), chosen.total_shards
    if chosen.demo:
        from access_exporter.commands import demo  # noqa: PLC0415 – see the top of the file

        simulated = stack.enter_context(demo.account())
        return lambda: simulated.shard(shard, total)

    file = chosen.configuration()  # chosen once: if this file is deleted later, a reload reports an error

    def load() -> "Config":
        loaded = config.load(file, os.environ)
        return (_without_fresh_tests(loaded) if chosen.once and not chosen.storage_path else loaded).shard(shard, total)

    return load


def _without_fresh_tests(loaded: "Config") -> "Config":
    """Leave out the policy tests that the exporter would start.

    Without a folder for its data, each run would start a test again, and would exit before the test finishes.
    """
    existing = loaded.without_fresh_tests()
    if existing != loaded:
        log.warning("no policy test is started: --once needs --storage.path to remember the tests it has started")
    return existing


def _watch_signals() -> None:
    # SIGHUP ends a process that has no handler for it. A blocked SIGHUP waits until the exporter can reload.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    signal.signal(signal.SIGTERM, _end)  # without a handler, the first process of a container ignores SIGTERM


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # the exit code that a shell reports after a signal


def _check_output(*, needed: bool) -> None:
    if sys.stdout is not None:
        # A character that the locale cannot write is written as an escape.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a TextIOWrapper
    elif needed:
        sys.exit("cloudflare-access-exporter: standard output is closed")


if __name__ == "__main__":
    run()
