"""What the values of flags may be: each function returns that of a text, or raises ValueError."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from access_exporter.commands.limit import Limit


def count(text: str) -> int:
    """Return a whole number from 0."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(text)


def most(text: str) -> int:
    """Return a whole number from 1."""
    if not (number := count(text)):
        raise ValueError("expected a number from 1")
    return number


def hosts(text: str) -> tuple[str, ...]:
    """Return names of hosts."""
    hosts = tuple(host.strip() for host in text.split(",")) if text else ()
    for host in hosts:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", host, re.ASCII):
            raise ValueError(f"expected names of hosts with commas between them, without ports, got {host!r}")
    return hosts


def idle_time(text: str) -> float:
    """Return how long a seat has been idle, in seconds."""
    from access_exporter.commands.idle_seats import IdleTime  # noqa: PLC0415 – takes longer than all the rest

    try:
        return IdleTime.parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, got {text!r}") from None


def limit(text: str) -> "Limit":
    """Return how many people there may be, as a number or a share."""
    from access_exporter.commands.limit import Limit  # noqa: PLC0415 – takes longer than all the rest

    return Limit.parse(text)


def timeout(text: str) -> float:
    """Return a duration in seconds."""
    from access_exporter.config import Duration  # noqa: PLC0415 – takes longer than all the rest

    try:
        return Duration.parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, got {text!r}") from None


def path(text: str) -> str:
    """Return a path to serve something at."""
    if not re.fullmatch(r"/[\w.~/-]+", text, re.ASCII) or text.startswith("/-/"):
        raise ValueError("expected a path such as /metrics, not one the exporter uses itself")
    return text
