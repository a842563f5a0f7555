import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access_exporter import logs
from access_exporter.logs import JsonFormatter, LogfmtFormatter, facts

pytestmark = pytest.mark.usefixtures("own_logging")

log = logging.getLogger("access_exporter.test")

HOSTILE = {
    "newline": ("a\nlevel=error", r'"a\nlevel=error"'),
    "carriage return": ("a\rb", r'"a\rb"'),
    "line separators": ("a\u2028b\u2029c\x85d", r'"a\u2028b\u2029c\u0085d"'),
    "ANSI": ("\x1b[31mred", r'"\u001b[31mred"'),
    "8-bit ANSI": ("\x9b31mred", r'"\u009b31mred"'),
    "null byte": ("a\0b", r'"a\u0000b"'),
    "delete": ("a\x7fb", r'"a\u007fb"'),
    "backspaces": ("a\b\b", r'"a\b\b"'),
    "quotes": ('say "hi"', r'"say \"hi\""'),
    "backslash": ("C:\\temp", r'"C:\\temp"'),
    "another fact": ("x reason=auth", '"x reason=auth"'),
    "equals sign": ("a=b", '"a=b"'),
    "empty": ("", '""'),
    "space": (" ", '" "'),
    "umlaut": ("Müller", r'"M\u00fcller"'),
    "emoji": ("\N{ROCKET}", r'"\ud83d\ude80"'),
    "half a surrogate pair": ("\ud800", r'"\ud800"'),
    "right-to-left override": ("\u202etxt", r'"\u202etxt"'),
}


def record(message: str = "polled", level: int = logging.INFO, **values: object) -> logging.LogRecord:
    """Return a log event of 2026-09-21T14:13:20.250Z."""
    made = logging.LogRecord("access_exporter.test", level, __file__, 1, message, (), None)
    made.created = 1_790_000_000.25
    made.facts = values
    return made


class TestLogfmt:
    def test_line(self) -> None:
        """A line has the time in UTC, the level, the message and the facts, in quotes where necessary."""
        line = LogfmtFormatter().format(
            record(
                "poll failed", logging.WARNING, account_id="a1", target="legacy vpn", duration=1.23456, tries=3, at=None
            )
        )
        assert line == (
            'ts=2026-09-21T14:13:20.250Z level=warn msg="poll failed" account_id=a1 target="legacy vpn" '
            "duration=1.235 tries=3 at=None"
        )

    @pytest.mark.parametrize(("value", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
    def test_hostile_facts(self, value: str, expected: str) -> None:
        """A fact that could forge a line or another fact, or control a terminal, is quoted and escaped."""
        assert LogfmtFormatter().format(record(name=value)).endswith(f" msg=polled name={expected}")

    def test_hostile_message(self) -> None:
        """A message of another library cannot forge a log line."""
        assert LogfmtFormatter().format(record("a\nlevel=error")).endswith(r' level=info msg="a\nlevel=error"')

    @given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.characters()) | st.floats() | st.integers()))
    def test_any_facts(self, values: dict[str, Any]) -> None:
        """Any facts give one line of printable ASCII with exactly these facts."""
        line = LogfmtFormatter().format(record(**values))
        assert line.isascii()
        assert line.isprintable()
        pair = r'(\w+)=(?:[^\s="]+|"(?:[^"\\]|\\.)*")'
        assert re.fullmatch(f"{pair}(?: {pair})*", line)
        assert re.findall(pair, line) == ["ts", "level", "msg", *values]


class TestJson:
    def test_line(self) -> None:
        """A line is one JSON object with the same fields, and numbers stay numbers."""
        line = JsonFormatter().format(record("poll failed", logging.WARNING, account_id="a1", duration=1.5, tries=3))
        assert line == (
            '{"ts": "2026-09-21T14:13:20.250Z", "level": "warn", "msg": "poll failed", "account_id": "a1", '
            '"duration": 1.5, "tries": 3}'
        )

    @pytest.mark.parametrize(("value", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
    def test_hostile_facts(self, value: str, expected: str) -> None:
        """A hostile fact is escaped, and a JSON parser reads its original value."""
        line = JsonFormatter().format(record(name=value))
        assert line.endswith(f', "name": {expected}}}')
        assert json.loads(line)["name"] == value

    @given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.characters()) | st.integers() | st.booleans()))
    def test_any_facts(self, values: dict[str, Any]) -> None:
        """Any facts give one line of printable ASCII that contains exactly these facts."""
        line = JsonFormatter().format(record(**values))
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line) == {"ts": "2026-09-21T14:13:20.250Z", "level": "info", "msg": "polled"} | values

    def test_facts_of_other_types(self) -> None:
        """A fact of a type that JSON does not have is written as its text."""
        line = JsonFormatter().format(record(error=ValueError("no such thing")))
        assert json.loads(line)["error"] == "no such thing"


class TestSetup:
    @pytest.mark.parametrize(
        ("level", "shown"),
        [
            ("debug", ["debug", "info", "warn", "error"]),
            ("info", ["info", "warn", "error"]),
            ("warn", ["warn", "error"]),
            ("error", ["error"]),
        ],
    )
    def test_levels(self, capsys: pytest.CaptureFixture[str], level: str, shown: list[str]) -> None:
        """A level shows its own events and more serious ones, on standard error only."""
        logs.setup(level, "logfmt")
        for say in (log.debug, log.info, log.warning, log.error):
            say("said")
        output = capsys.readouterr()
        assert output.out == ""
        assert re.findall(r"level=(\w+) msg=said\n", output.err) == shown

    @pytest.mark.parametrize(
        ("form", "expected"), [("json", '"msg": "said", "name": "x"}'), ("logfmt", "msg=said name=x")]
    )
    def test_formats(self, capsys: pytest.CaptureFixture[str], form: str, expected: str) -> None:
        """After several calls of `setup`, the last format is in use, and each event is logged once."""
        for each in (*logs.FORMATS, form):
            logs.setup("info", each)
        log.info("said", extra=facts(name="x"))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(expected)

    @pytest.mark.parametrize("form", logs.FORMATS)
    def test_exceptions(self, capsys: pytest.CaptureFixture[str], form: str) -> None:
        """Only the type of an exception is logged, because its message and traceback may contain a secret."""
        logs.setup("debug", form)
        try:
            raise ConnectionError("https://me:s3cr3t@example.com")
        except ConnectionError:
            log.exception("failed")
        (line,) = capsys.readouterr().err.splitlines()
        assert "ConnectionError" in line
        assert "s3cr3t" not in line
        assert "Traceback" not in line

    def test_no_exception(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`exc_info=True` without an exception adds nothing to the line."""
        logs.setup("info", "logfmt")
        log.info("said", exc_info=True)  # noqa: LOG014 – a library may do this
        assert capsys.readouterr().err.endswith(" level=info msg=said\n")

    @pytest.mark.parametrize("library", ["urllib3.connectionpool", "asyncio"])
    def test_other_libraries(self, capsys: pytest.CaptureFixture[str], library: str) -> None:
        """Messages of libraries about connections are never logged, because they may contain addresses and tokens."""
        logs.setup("debug", "logfmt")
        logging.getLogger(library).error("connection of me@example.com lost")
        assert capsys.readouterr().err == ""
