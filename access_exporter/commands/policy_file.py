"""The file of `--test-policy`, in JSON or YAML: a policy object as in the API, or a list of policy objects and ids.

    name: Staff
    decision: allow
    include:
      - email_domain: {domain: example.com}

The exporter sends unknown keys as well, and Cloudflare decides whether it accepts them.
"""

import sys
from collections.abc import Iterator

from access_exporter.collectors import policy_preview
from access_exporter.config import files, strict_yaml
from access_exporter.errors import ConfigError, DocumentError

STANDARD_INPUT = "-"
MAX_BYTES = 8 * 1024 * 1024
# https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/, "Start Access policy test"
_REQUIRED = {"name": str, "decision": str, "include": list}
_OPTIONAL = {"exclude": list, "require": list}
_WORDS = {str: "a string", list: "a list"}


def read(path: str) -> list[policy_preview.Tested]:
    """Return the policies in a file. Raises ConfigError, which lists everything that is missing."""
    try:
        return _policies(strict_yaml.read_json(_content(path)))
    except DocumentError as error:
        raise ConfigError(f"{name(path)}: {error}") from None


def name(path: str) -> str:
    """Return the name of the file for messages."""
    return "standard input" if path == STANDARD_INPUT else path


def _content(path: str) -> bytes:
    try:
        if path != STANDARD_INPUT:
            return files.read(path, MAX_BYTES)
        content = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
    except (OSError, ValueError) as error:
        raise DocumentError("", f"cannot be read: {getattr(error, 'strerror', None) or 'it is not a path'}") from None
    if len(content) > MAX_BYTES:
        raise DocumentError("", f"cannot be read: it has more than {MAX_BYTES} bytes")
    return content


def _policies(data: object) -> list[policy_preview.Tested]:
    if not isinstance(data, dict | list) or not data:
        raise DocumentError("", "expected a policy object, or a list of policy objects and ids of reusable policies")
    listed = data if isinstance(data, list) else [data]
    places = [f"policies[{number}]" for number in range(len(listed))] if isinstance(data, list) else [""]
    if problems := [problem for place, each in zip(places, listed, strict=True) for problem in _problems(place, each)]:
        raise DocumentError("", "; ".join(problems))
    return listed


def _problems(place: str, policy: object) -> Iterator[str]:
    """Yield the errors of a policy. The text contains no rule of the policy, because a rule may name people."""
    before = f"{place}: " if place else ""
    if isinstance(policy, str) and policy.strip():
        return
    if not isinstance(policy, dict):
        yield f"{before}expected a policy object, or the id of a reusable policy as a string"
        return
    if missing := [f"`{name}`" for name in _REQUIRED if policy.get(name) is None]:
        yield f"{before}required, but missing: {', '.join(missing)}"
    for name, kind in (_REQUIRED | _OPTIONAL).items():
        if policy.get(name) is not None and not isinstance(policy[name], kind):
            yield f"{before}`{name}`: expected {_WORDS[kind]}"
