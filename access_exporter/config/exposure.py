"""Finds secrets in texts that the exporter shows: in an id, a name, a path or the address of the API.

The exporter may serve or log every text of the configuration except the secrets. So no text may contain a secret of any
account, nor a long part of one, nor a text that looks like a token or key.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from access_exporter.errors import ConfigError
from access_exporter.token_shapes import PART, has_token, parts

if TYPE_CHECKING:
    from access_exporter.config.model import Config  # which imports this file

_SHORTEST_PART = 8  # a shorter secret, such as `x`, must be the whole text to be found
_MOST_IN_PARTS = 200  # characters; limits the memory, and Cloudflare's secrets are shorter
_MAY_LOOK_RANDOM = "url"


def problems(config: "Config") -> Iterator[tuple[str, str]]:
    """Yield the place of each text that contains a secret, and a message without the text and the secret."""
    secrets = _Secrets([*_readable(config)])
    for where, text in _shown(config, ""):
        if secrets.stand_in(text):
            yield where, "this text contains a secret of the configuration, and the exporter would show it; remove it"
        elif has_token(text) and not where.endswith(_MAY_LOOK_RANDOM):
            yield where, "this text looks like a token or key, and the exporter would show it; remove it"


def shows(config: "Config", secret: str) -> bool:
    """Return whether any text that the exporter shows contains this secret."""
    secrets = _Secrets([secret])
    return any(secrets.stand_in(text) for _, text in _shown(config, ""))


class _Secrets:
    """Secrets with an index of their first characters and of their parts, to compare a text with all at once."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._whole = {secret.casefold() for secret in secrets}
        self._lengths: dict[str, set[int]] = {}
        # A double click selects only a part of a token, and an id has fewer characters.
        self._parts = {part.casefold() for secret in secrets for part in parts(secret[:_MOST_IN_PARTS])}
        for secret in self._whole:
            if len(secret) >= _SHORTEST_PART:
                self._lengths.setdefault(secret[:_SHORTEST_PART], set()).add(len(secret))

    def stand_in(self, text: str) -> bool:
        folded = text.strip().casefold()
        if folded in self._whole:
            return True
        if any(folded[start : start + PART] in self._parts for start in range(len(folded) - PART + 1)):
            return True
        return any(
            folded[start : start + length] in self._whole
            for start in range(len(folded) - _SHORTEST_PART + 1)
            for length in self._lengths.get(folded[start : start + _SHORTEST_PART], ())
        )


def _readable(config: "Config") -> Iterator[str]:
    """Yield every secret once. Skip a secret that cannot be read, because another check reports it."""
    for secret in {each for account in config.accounts for each in (account.secret, account.api_email) if each}:
        try:
            yield secret.read()
        except ConfigError:
            continue


def _shown(value: object, where: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the value of every text in a section."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _shown(getattr(value, name), f"{where}.{name}".lstrip("."))
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from _shown(part, f"{where}[{index}]")
