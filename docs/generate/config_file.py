"""config.yaml: a configuration that works unchanged, with every key of access_exporter/config/model.py in a comment."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from access_exporter.config.environment import TEXTS
from docs.generate.configuration import ACCOUNT, DISCOVERY, FOLLOWED_TEST, FRESH_TEST, REQUIRED, WHOLE, Key, keys

_HEAD = """\
# You can use this file as it is: set the environment variables CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN.
# A commented-out key shows its default, or an example if it has no default. docs/configuration.md explains every key.
# ${NAME} is replaced by the environment variable NAME, which must be set. ${NAME:-default} uses the default if NAME is
# empty or not set. A key that is empty after this has the default of the key.
# Write durations as 90s, 5m, 2h, 1d, or as a number of seconds.
# `make docs` writes this file from access_exporter/config/model.py.

"""
_COMMENT_COLUMN = 50


class _Line(NamedTuple):
    text: str
    comment: str


def update(_document: str) -> str:
    """Return the new text of config.yaml; the old text is not used."""
    blocks = []
    for key in keys(WHOLE):
        if key.name == "accounts":
            blocks.append([_Line("accounts:", key.meaning), *_account()])
        else:
            blocks.append(list(_in_comments("# ", key)))
    return _HEAD + "\n".join(map(_aligned, blocks))


def _account() -> Iterator[_Line]:
    indent = "  - "
    for key in keys(ACCOUNT):
        place = f"accounts[0].{key.name}"
        if not any(each.startswith(place) for each in TEXTS):
            yield from _in_comments("    # ", key)
        elif key.name == "policy_tests":
            yield _line("    ", key)
            yield from _item_in_use(f"{place}[0]")
            yield from _item(keys(FOLLOWED_TEST))
            yield from _item(_new_keys_of_a_fresh_test())
        else:
            yield _line(indent, _in_use(key, place))
            yield from _section_in_use(key, place)
        indent = "    "


def _in_use(key: Key, place: str) -> Key:
    """Return the key with the environment variable that config.yaml has as its value, if any."""
    return key._replace(value=TEXTS.get(place, key.value))


def _section_in_use(key: Key, place: str) -> Iterator[_Line]:
    """Yield the keys of a section; the keys without an environment variable are comments."""
    for inner in keys(key.section) if key.section else ():
        in_file = _in_use(inner, f"{place}.{inner.name}")
        yield _line("      " if in_file != inner else "      # ", in_file)


def _item_in_use(place: str) -> Iterator[_Line]:
    """Yield the keys of the list item that discovers applications."""
    for key in sorted(_new_keys_of_discovery(), key=lambda key: f"{place}.{key.name}" not in TEXTS):
        in_file = _in_use(key, f"{place}.{key.name}")
        yield _line("      - " if in_file != key else "        # ", in_file)


def _in_comments(indent: str, key: Key) -> Iterator[_Line]:
    """Yield the line of a key in a comment and, for a section, the lines of its keys."""
    yield _line(indent, key)
    if key.section:
        yield from (_line(f"{indent}  ", inner) for inner in keys(key.section))


def _new_keys_of_a_fresh_test() -> Iterator[Key]:
    shown = {key.name for key in keys(FOLLOWED_TEST)} - set(FRESH_TEST.required)
    return (key for key in keys(FRESH_TEST) if key.name not in shown)


def _new_keys_of_discovery() -> Iterator[Key]:
    """Yield the keys that only an item with `discover` has."""
    shown = {key.name for section in (FOLLOWED_TEST, FRESH_TEST) for key in keys(section)}
    return (key for key in keys(DISCOVERY) if key.name not in shown)


def _item(of_item: Iterable[Key]) -> Iterator[_Line]:
    """Yield the lines of one item of a list."""
    for number, key in enumerate(of_item):
        yield _line("    #     " if number else "    #   - ", key)


def _line(indent: str, key: Key) -> _Line:
    return _Line(f"{indent}{key.name}: {key.value}".rstrip(), _comment(key))


def _comment(key: Key) -> str:
    """Return the meaning of a key with its limits, or with its default if the line shows an example."""
    if key.default == key.value:
        return f"{key.meaning} ({key.limits})" if key.limits else key.meaning
    return key.meaning if key.default in ("", REQUIRED) else f"{key.meaning}; default: {key.default}"


def _aligned(lines: Iterable[_Line]) -> str:
    return "".join(f"{line.text:{_COMMENT_COLUMN}}  # {line.comment}\n" for line in lines)
