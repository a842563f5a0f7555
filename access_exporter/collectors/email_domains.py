"""Users by the domain of their e-mail address, for an account that asks for it: `users.domains` in the configuration.

    cloudflare_access_domain_users{account_id="…",domain="example.com",seat="both"} 12.0

Of an address nothing but what follows its last @ is read, and of that only what can be the name of a domain is shown.
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

# https://www.rfc-editor.org/rfc/rfc1123#section-2.1, and a last label that is not a number, as of an address or phone.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}", re.ASCII)
_MAX_LENGTH = 253
_MOST_NAMES = 20_000  # that are counted separately at a time; the accounts of the largest companies have some hundreds
_MOST_CONVERTED = 10_000  # names that are kept: to convert one takes a hundred times as long as all else of a user


class HasEmail(Protocol):
    """What is read of a user."""

    email: str | None
    access_seat: bool | None
    gateway_seat: bool | None


User = TypeVar("User", bound=HasEmail)


def domain(email: str | None) -> str:
    """Return the domain of an address in lower case, as the DNS writes it; UNKNOWN for everything else."""
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
    """Return an internationalised domain name as the DNS writes it; an empty text for what is none."""
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        return ""


class DomainCounts:
    """Numbers of users by domain and by seat.

    With too many domains, users of the smallest ones so far count as OTHER, even if these domains grow later.
    """

    def __init__(self) -> None:
        """Start with no user."""
        self._found: Counter[tuple[str, bool | None, bool | None]] = Counter()

    def counting(self, pages: Iterable[list[User]]) -> Iterator[list[User]]:
        """Yield the pages as they come, and count their users."""
        for users in pages:
            self._found.update((domain(user.email), user.access_seat, user.gateway_seat) for user in users)
            if len(self._found) > _MOST_NAMES:
                self._forget_smallest()
            yield users

    def _forget_smallest(self) -> None:
        """Keep half as many names as there may be."""
        known = {key: users for key, users in self._found.items() if key[0] not in (OTHER, UNKNOWN)}
        for key in sorted(known, key=known.__getitem__)[: len(known) - _MOST_NAMES // 2]:
            self._found[OTHER, key[1], key[2]] += self._found.pop(key)

    def largest(self, number: int) -> dict[str, dict[str, int]]:
        """Return the users by seat of so many domains, those with the most users, and of all OTHER and UNKNOWN ones."""
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
    """Return the users by seat of fewer domains, as `DomainCounts.largest` would: the first ones, and of all OTHER."""
    if not users or not number:
        return {}
    named = [name for name in users if name not in (OTHER, UNKNOWN)]
    kept = {name: dict(users[name]) for name in (*named[:number], OTHER, UNKNOWN)}
    for name in named[number:]:
        for held, count in users[name].items():
            kept[OTHER][held] += count
    return kept


def family(labels: dict[str, str], users: Mapping[str, Mapping[str, int]]) -> Metric:
    """Return what `/metrics` says about them."""
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
