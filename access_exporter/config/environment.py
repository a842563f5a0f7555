"""The configuration from environment variables alone: one account, with one variable for each key.

The shipped config.yaml has the same keys with the same variables, so an exporter with it behaves the same.
"""

import re
from collections.abc import Iterator, Mapping

from access_exporter.config.variables import MissingError
from access_exporter.errors import DocumentError

DOCUMENTATION = (
    "https://github.com/cloudflare-access-exporter/cloudflare-access-exporter/blob/main/docs/configuration.md"
)
HOW_TO_START = (
    "name a file with --config.file=FILE (default: config.yaml), set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN "
    f"in the environment, or try a simulated account with --demo; see {DOCUMENTATION}"
)
TREE: dict[str, object] = {
    "accounts": [
        {
            "id": "${CLOUDFLARE_ACCOUNT_ID}",
            "name": "${CLOUDFLARE_ACCESS_ACCOUNT_NAME:-}",
            "api_token": "${CLOUDFLARE_API_TOKEN:-}",
            "api_token_file": "${CLOUDFLARE_API_TOKEN_FILE:-}",
            "api_email": "${CLOUDFLARE_EMAIL:-}",
            "api_key": "${CLOUDFLARE_API_KEY:-}",
            "api_key_file": "${CLOUDFLARE_API_KEY_FILE:-}",
            "seat_limit": "${CLOUDFLARE_ACCESS_SEAT_LIMIT:-}",
            "users": {"interval": "${CLOUDFLARE_ACCESS_INTERVAL:-}"},
            "policy_tests": [{"discover": "${CLOUDFLARE_ACCESS_DISCOVER:-}"}],
        }
    ]
}


def _texts(node: object, where: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each key, and its text."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _texts(value, f"{where}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, f"{where}[{index}]")
    else:
        yield where, str(node)


TEXTS = dict(_texts(TREE, ""))  # by the path of the key
VARIABLES = {where: re.sub(r"\W", "", text) for where, text in TEXTS.items()}
_BY_KEY = {where.rpartition(".")[2]: name for where, name in VARIABLES.items()}
_KEY = re.compile(rf"(?<![`'/\w.])(?:{'|'.join(key for key in _BY_KEY if key.startswith('api_'))})(?![`'/\w.])")


def is_set(environ: Mapping[str, str]) -> bool:
    """Return whether the environment sets any of the variables."""
    return any(environ.get(name) for name in VARIABLES.values())


def in_words(error: DocumentError) -> str:
    """Return the message of an error, with the names of variables in place of the keys of a file."""
    if isinstance(error, MissingError):
        return f"environment variables are not set or are empty: {'; '.join(map(str, error.missing))}"
    problem = _KEY.sub(lambda match: _BY_KEY[match[0]], error.problem)
    return f"{VARIABLES.get(error.where, 'the environment')}: {problem}"
