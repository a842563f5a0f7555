"""Where a token, key or address comes from: a value of the configuration, or a file that is read again."""

import re

from access_exporter.config import files
from access_exporter.errors import ConfigError, named

# What may stand in an HTTP header: anything else would be refused later, with the secret in the message.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
# Those of keyboards and of word processors.
_QUOTES = "'\"`\xb4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\xab\xbb"
_MAX_BYTES = 16 * 1024  # more than a header may have


class Secret:
    """A token, key or address: its value or the file that holds it. Only the source may be shown."""

    # Not a dataclass: the configuration would then take a mapping in its place.
    def __init__(self, source: str, value: str | None = None, path: str | None = None) -> None:
        """Keep where it comes from; nothing is read yet."""
        self.source = source
        self._value = value
        self._path = path

    def __repr__(self) -> str:
        return f"Secret({self.source!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str | None, str | None]:
        return self.source, self._value, self._path

    def read(self) -> str:
        """Return the secret, reading its file again if it has one.

        Raises ConfigError, without the secret, when there is none or it cannot stand in a header.
        """
        text = (self._value if self._path is None else _file_text(self._path)) or ""
        text = text.strip()
        if not text:
            raise ConfigError(f"the secret is empty ({self.source})")
        if not _HEADER_VALUE.fullmatch(text):
            if _is_in_quotes(text):
                raise ConfigError(f"expected a secret without quotes around it ({self.source})")
            raise ConfigError(f"expected a secret of printable ASCII characters without spaces ({self.source})")
        return text

    def is_in_quotes(self) -> bool:
        """Tell whether a quote begins or ends the secret, which no token, key or address has; raises as `read`."""
        return _is_in_quotes(self.read())


def _is_in_quotes(text: str) -> bool:
    return text[0] in _QUOTES or text[-1] in _QUOTES


def _file_text(path: str) -> str:
    try:
        return files.read(path, _MAX_BYTES).decode()
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not text"
    except ValueError:
        reason = "this is not a path"
    raise ConfigError(f"{named('the secret file', path)} cannot be read: {reason}")
