"""A token, key or e-mail address, from a value of the configuration or from a file, which is read each time."""

import re

from access_exporter.config import files
from access_exporter.errors import ConfigError, named

# The characters allowed in an HTTP header. The HTTP library refuses others with a message that contains the secret.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
# The quotes of keyboards and of word processors.
_QUOTES = "'\"`\xb4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\xab\xbb"
_MAX_BYTES = 16 * 1024  # more than a header may have


class Secret:
    """A token, key or e-mail address: its value, or the path of its file. Only `source` may be shown."""

    # Not a dataclass: the configuration would then accept a mapping as a secret.
    def __init__(self, source: str, value: str | None = None, path: str | None = None) -> None:
        """`source` says where the secret comes from. The file is not read yet."""
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
        """Return the secret. If it is in a file, read the file again.

        Raises ConfigError if the secret is empty or is not allowed in a header. The message never contains the secret.
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
        """Return whether the secret begins or ends with a quote, which is wrong. Raises ConfigError like `read`."""
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
        reason = "it is not a path"
    raise ConfigError(f"{named('the secret file', path)} cannot be read: {reason}")
