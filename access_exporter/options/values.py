"""The values of flags. Each function returns the value of a text, or raises ValueError with what was expected."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from access_exporter.commands.limit import Limit


def count(text: str) -> int:
    """Return a whole number, which is at least 0."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(text)


def most(text: str) -> int:
    """Return a whole number, which is at least 1."""
    if not (number := count(text)):
        raise ValueError("expected a whole number of at least 1, got 0")
    return number


def hosts(text: str) -> tuple[str, ...]:
    """Return the host names in a list with commas."""
    hosts = tuple(host.strip() for host in text.split(",")) if text else ()
    for host in hosts:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", host, re.ASCII):
            raise ValueError(f"expected host names without ports, with commas between them, got {host!r}")
    return hosts


def idle_time(text: str) -> float:
    """Return the least time that a seat has been idle, in seconds."""
    from access_exporter.commands.idle_seats import IdleTime  # noqa: PLC0415 – slow, and rarely needed

    try:
        return IdleTime.parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, got {text!r}") from None


def limit(text: str) -> "Limit":
    """Return the limit for a number of people, as a number or a share."""
    from access_exporter.commands.limit import Limit  # noqa: PLC0415 – slow, and rarely needed

    return Limit.parse(text)


def timeout(text: str) -> float:
    """Return a duration in seconds."""
    from access_exporter.config import Duration  # noqa: PLC0415 – slow, and rarely needed

    try:
        return Duration.parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, got {text!r}") from None


def path(text: str) -> str:
    """Return the path of a page."""
    if not re.fullmatch(r"/[\w.~/-]+", text, re.ASCII) or text.startswith("/-/"):
        raise ValueError(f"expected a path such as /metrics; / and /-/... are not allowed; got {text!r}")
    return text
