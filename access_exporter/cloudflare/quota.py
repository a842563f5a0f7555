"""What is left of the quota of a credential, by the headers Ratelimit and Ratelimit-Policy.

    Ratelimit: "default";r=50;t=30, "burst";r=3;t=1
    Ratelimit-Policy: "default";q=1200;w=300, "burst";q=10;w=1

Both are lists of structured fields (RFC 8941, section 3.1): r requests are left for t seconds, of q in w seconds. A
policy belongs to the items with its name. An item that cannot be read is passed over, so that it hides no other one.
https://developers.cloudflare.com/fundamentals/api/reference/limits/
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from access_exporter.cloudflare.credentials import Credential
from access_exporter.cloudflare.rate_limit import WINDOW_SECONDS, RateLimiter

CLOUDFLARE_QUOTA = 1200
LITTLE_LEFT = 0.1  # of the quota: from there on what is left is spread over the time it must last

# A string that does not end goes to the end of the text: were it no match, each of its quotes would be tried again.
_STRING = r'"(?:[^"\\]++|\\.?)*+"?'
_ITEM = re.compile(rf"(?:{_STRING}|[^,\"])+")
_PART = re.compile(rf"(?:{_STRING}|[^;\"])+")
_MAX_LENGTH = 64 * 1024  # of a header; a hundred such lines are one header, too
_WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class Left(NamedTuple):
    """How many requests are left for how many seconds; `is_little` says whether the exporter must spread them."""

    requests: int
    seconds: int
    is_little: bool

    @property
    def interval(self) -> float:
        """The seconds from one request to the next that make them last."""
        return self.seconds / (self.requests + 1)


class _Item(NamedTuple):
    name: str
    numbers: dict[str, int]


def follow(headers: Mapping[str, str], credential: Credential, limiter: RateLimiter) -> None:
    """Note what an answer says is left, and make it last; of several quotas the most restrictive one counts."""
    quotas = left(headers)
    if not quotas:
        return
    credential.remaining = min(each.requests for each in quotas)
    if little := [each for each in quotas if each.is_little]:
        tightest = max(little, key=lambda each: each.interval)
        limiter.slow_down(tightest.requests, tightest.seconds)


def left(headers: Mapping[str, str]) -> list[Left]:
    """Return what an answer says is left, item by item; nothing where it does not say."""
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
