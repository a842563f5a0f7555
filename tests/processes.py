"""Starts the exporter as its users do, and waits for its log lines instead of a fixed time."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer
from typing import Any, NamedTuple

# The process is killed after this time, so a test never waits longer.
PATIENCE_SECONDS = 180
LOOPBACK = ("--web.listen-address=127.0.0.1:0",)
ROOT = Path(__file__).resolve().parent.parent


class Exporter:
    """A running exporter process, its address, and its log lines so far."""

    def __init__(
        self,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        patience: float = PATIENCE_SECONDS,
        starting: Callable[[subprocess.Popen[str]], None] = lambda _: None,
        locked_by: Sequence[str] = (),
        folder: Path = ROOT,
    ) -> None:
        """Start the exporter on a free port of the loopback interface, call `starting`, and wait until it serves.

        `locked_by` is a command that runs the exporter with fewer rights, and `folder` is the working directory.
        """
        self.process = subprocess.Popen(
            [
                *locked_by,
                sys.executable,
                str(ROOT / "exporter.py"),
                *(() if any(flag.startswith("--web.listen-address") for flag in flags) else LOOPBACK),
                "--log.format=json",
                *flags,
            ],
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **(environ or {})},
            text=True,
        )
        self.lines: list[str] = []
        self._claimed: set[int] = set()
        self._watchdog = Timer(patience, self.process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            starting(self.process)
            serving = self.wait_for("serving")
        except BaseException:
            self.stop()
            raise
        self.url = serving["status_page"].rstrip("/")
        self.port = int(serving["address"].rpartition(":")[2])

    def wait_for(self, message: str, **facts: object) -> dict[str, Any]:
        """Return the next log event with this message and these facts; each event is returned only once."""
        for number, line in enumerate(self._all_lines()):
            event: dict[str, Any] = json.loads(line)
            if number not in self._claimed and event["msg"] == message and facts.items() <= event.items():
                self._claimed.add(number)
                return event
        raise AssertionError(
            f"ended with {self.process.poll()} without the log message {message!r}:\n{''.join(self.lines)}"
        )

    def _all_lines(self) -> Iterator[str]:
        yield from list(self.lines)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            yield line

    def drain(self) -> None:
        """Keep reading the log in the background, so that the process never blocks on a full pipe."""
        stderr = self.process.stderr
        assert stderr is not None
        Thread(target=lambda: self.lines.extend(stderr), daemon=True).start()

    def stop(self) -> None:
        """Ask the process to stop, and kill it if it does not."""
        self._watchdog.cancel()
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()


@contextmanager
def exporter(*flags: str, **options: Any) -> Iterator[Exporter]:
    """Run an exporter during a `with` block, but not longer than its `patience`."""
    running = Exporter(*flags, **options)
    try:
        yield running
    finally:
        running.stop()


class Outcome(NamedTuple):
    """The exit code and the output of a command."""

    code: int | str | None
    out: str
    err: str


Run = Callable[..., Outcome]


def command(*arguments: str, output: str = "") -> Outcome:
    """Run the command in a new process, as its users do; `output` is a redirection of the shell."""
    shell = ["bash", "-c", f'exec "$@" {output}', "bash"]
    whole = [*shell, sys.executable, "exporter.py", *arguments]
    ended = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return Outcome(ended.returncode, ended.stdout, ended.stderr)
