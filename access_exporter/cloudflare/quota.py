"""Reads the remaining quota of a credential from the headers Ratelimit and Ratelimit-Policy.

    Ratelimit: "default";r=50;t=30, "burst";r=3;t=1
    Ratelimit-Policy: "default";q=1200;w=300, "burst";q=10;w=1

Both headers are lists of structured fields (RFC 8941, section 3.1). The first says that r requests are left for t
seconds, the second that q requests are allowed in w seconds. Items with the same name belong together. The exporter
skips an item that it cannot read, and reads the others.
https://developers.cloudflare.com/fundamentals/api/reference/limits/
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from access_exporter.cloudflare.credentials import Credential
from access_exporter.cloudflare.rate_limit import WINDOW_SECONDS, RateLimiter

CLOUDFLARE_QUOTA = 1200
LITTLE_LEFT = 0.1  # below this share of the quota, the exporter spreads the requests that are left

# A string without a closing quote matches up to the end of the text. Otherwise the search would start again at each of
# its quotes.
_STRING = r'"(?:[^"\\]++|\\.?)*+"?'
_ITEM = re.compile(rf"(?:{_STRING}|[^,\"])+")
_PART = re.compile(rf"(?:{_STRING}|[^;\"])+")
_MAX_LENGTH = 64 * 1024  # in characters; a longer header is truncated
_WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class Left(NamedTuple):
    """The requests that are left for so many seconds; `is_little` says whether the exporter must spread them."""

    requests: int
    seconds: int
    is_little: bool

    @property
    def interval(self) -> float:
        """The seconds to wait between two requests, so that the requests that are left last long enough."""
        return self.seconds / (self.requests + 1)


class _Item(NamedTuple):
    name: str
    numbers: dict[str, int]


def follow(headers: Mapping[str, str], credential: Credential, limiter: RateLimiter) -> None:
    """Record the remaining quota that a response states, and slow down if little is left.

    If the response states several quotas, the most restrictive one counts.
    """
    quotas = left(headers)
    if not quotas:
        return
    credential.remaining = min(each.requests for each in quotas)
    if little := [each for each in quotas if each.is_little]:
        tightest = max(little, key=lambda each: each.interval)
        limiter.slow_down(tightest.requests, tightest.seconds)


def left(headers: Mapping[str, str]) -> list[Left]:
    """Return the remaining quotas that a response states, one for each item; an empty list if it states none."""
    quotas: dict[str, int] = {}
    for policy in _items(headers.get("Ratelimit-Policy", "")):
        quotas[policy.name] = max(policy.numbers.get("q", 0), quotas.get(policy.name, 0))
    return [
        Left(
            item.numbers["r"],
            min(item.numbers.get("t", 0), WINDOW_SECONDS),
            item.numbers["r"] < LITTLE_LEFT * (quotas.get(item.name) or CLOUDFLARE_QUOTA),
        )
        for item in _items(headers.get("Ratelimit", ""))
        if "r" in item.numbers
    ]


def _items(header: str) -> Iterator[_Item]:
    whole = header if len(header) <= _MAX_LENGTH else header[:_MAX_LENGTH].rpartition(",")[0]
    for item in _ITEM.findall(whole):
        parts = [part.strip() for part in _PART.findall(item)]
        pairs = (part.partition("=") for part in parts)
        numbers = {key: int(value) for key, _, value in pairs if _WHOLE_NUMBER.fullmatch(value)}
        yield _Item(parts[0].strip('"') if parts else "", numbers)
