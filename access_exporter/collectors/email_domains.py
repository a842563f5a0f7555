"""Counts users by the domain of their e-mail address, if the configuration sets `users.domains`.

    cloudflare_access_domain_users{account_id="…",domain="example.com",seat="both"} 12.0

The exporter uses only the part of an address after the last @, and shows that part only if it is a valid domain name.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Protocol, TypeVar

import idna
from prometheus_client import Metric

from access_exporter.collectors.seats import SEATS, seat
from access_exporter.exposition import gauge

OTHER, UNKNOWN = "other", "unknown"

# https://www.rfc-editor.org/rfc/rfc1123#section-2.1. The last label must not be a number, so that no IP address and no
# phone number matches.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}", re.ASCII)
_MAX_LENGTH = 253
_MOST_NAMES = 20_000  # the most domains to count separately; the largest companies have some hundreds
_MOST_CONVERTED = 10_000  # names in the cache, because a conversion takes a hundred times as long as the rest of a user


class HasEmail(Protocol):
    """The fields of a user that this file reads."""

    email: str | None
    access_seat: bool | None
    gateway_seat: bool | None


User = TypeVar("User", bound=HasEmail)


def domain(email: str | None) -> str:
    """Return the domain of an address in lower case, as in the DNS; UNKNOWN if the address has no valid domain."""
    name, _, text = (email or "").rpartition("@")
    text = text.strip().removesuffix(".")
    if not name or len(text) > _MAX_LENGTH:
        return UNKNOWN
    text = text.lower() if text.isascii() else _converted(text)
    return text if len(text) <= _MAX_LENGTH and _DOMAIN.fullmatch(text) and text != OTHER else UNKNOWN


def is_label(text: str) -> bool:
    """Return whether a text can be the value of the label `domain`."""
    return text in (OTHER, UNKNOWN) or (len(text) <= _MAX_LENGTH and _DOMAIN.fullmatch(text) is not None)


@lru_cache(_MOST_CONVERTED)
def _converted(text: str) -> str:
    """Return an internationalised domain name as in the DNS (Punycode); an empty text if the name is invalid."""
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        return ""


class DomainCounts:
    """Counts users by domain and by seat.

    If there are too many domains, the users of the smallest ones so far move to OTHER. They stay there, even if these
    domains grow later.
    """

    def __init__(self) -> None:
        """Start without users."""
        self._found: Counter[tuple[str, bool | None, bool | None]] = Counter()

    def counting(self, pages: Iterable[list[User]]) -> Iterator[list[User]]:
        """Yield the pages unchanged, and count their users."""
        for users in pages:
            self._found.update((domain(user.email), user.access_seat, user.gateway_seat) for user in users)
            if len(self._found) > _MOST_NAMES:
                self._forget_smallest()
            yield users

    def _forget_smallest(self) -> None:
        """Keep the largest domains, half as many as the maximum, and move the users of the others to OTHER."""
        known = {key: users for key, users in self._found.items() if key[0] not in (OTHER, UNKNOWN)}
        for key in sorted(known, key=known.__getitem__)[: len(known) - _MOST_NAMES // 2]:
            self._found[OTHER, key[1], key[2]] += self._found.pop(key)

    def largest(self, number: int) -> dict[str, dict[str, int]]:
        """Return users by seat for each of the `number` largest domains, for OTHER and for UNKNOWN."""
        sizes: Counter[str] = Counter()
        for (name, *_), users in self._found.items():
            sizes[name] += users
        ranking = sorted(sizes.keys() - {OTHER, UNKNOWN}, key=lambda name: (-sizes[name], name))
        kept = {name: dict.fromkeys(SEATS, 0) for name in (*ranking[:number], OTHER, UNKNOWN)}
        for (name, access_seat, gateway_seat), users in self._found.items():
            held = seat(access_seat=access_seat, gateway_seat=gateway_seat)
            kept[name if name in kept else OTHER][held] += users
        return kept


def largest(users: Mapping[str, Mapping[str, int]], number: int) -> dict[str, dict[str, int]]:
    """Reduce the result of `DomainCounts.largest` to `number` domains. The users of the others move to OTHER."""
    if not users or not number:
        return {}
    named = [name for name in users if name not in (OTHER, UNKNOWN)]
    kept = {name: dict(users[name]) for name in (*named[:number], OTHER, UNKNOWN)}
    for name in named[number:]:
        for held, count in users[name].items():
            kept[OTHER][held] += count
    return kept


def family(labels: dict[str, str], users: Mapping[str, Mapping[str, int]]) -> Metric:
    """Return the metric family of users by domain."""
    return gauge(
        "cloudflare_access_domain_users",
        "Users by the domain of their e-mail address and the seat they hold; only with users.domains. other: all "
        "smaller domains; unknown: no address, or an address without a domain.",
        [
            (labels | {"domain": name, "seat": held}, number)
            for name, counts in users.items()
            for held, number in counts.items()
        ],
    )
