"""Replaces the variables in the tree of a configuration, and removes the keys that have no value.

If all values of a section come from optional variables and none of the variables is set, the section is removed, too.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, get_args, get_origin

import msgspec

from access_exporter.config import strict_yaml
from access_exporter.config.model import Config
from access_exporter.config.variables import Missing, MissingError, Variables
from access_exporter.errors import DocumentError

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOTHING = object()
_SECRETS = ("api_token", "api_token_file", "api_key", "api_key_file")
_SWITCHES = {"true": True, "false": False}


def expand(tree: dict[str, object], environ: Mapping[str, str]) -> object:
    """Return the tree with the values of the variables, and without the keys that have no value.

    A removed key gets its default. Raises DocumentError for an unknown key or an invalid `${`, and MissingError with
    all missing variables.
    """
    variables = Variables(environ)
    expanded = _expand(tree, "", variables)
    if missing := [*variables.missing, *_missing_credentials(expanded, variables.unset)]:
        raise MissingError(missing)
    return {} if expanded is _NOTHING else expanded


def _expand(node: object, where: str, variables: Variables) -> object:
    if isinstance(node, dict):
        strict_yaml.check_known(node, where, _SECTIONS)
        pairs = {key: _expand(value, f"{where}.{key}".lstrip("."), variables) for key, value in node.items()}
        found = {key: value for key, value in pairs.items() if value is not None and value is not _NOTHING}
        return found if found or _NOTHING not in pairs.values() else _NOTHING
    if isinstance(node, list):
        items = [_expand(value, f"{where}[{index}]", variables) for index, value in enumerate(node)]
        found_items = [item for item in items if item is not _NOTHING]
        return found_items if found_items or not items else _NOTHING
    return _string(node, where, variables) if isinstance(node, str) else node


def _string(text: str, where: str, variables: Variables) -> object:
    expanded = variables.expand(text, where)
    if expanded is None:
        return _NOTHING
    if _SURROGATE.search(expanded):
        problem = "expected Unicode, got half of a surrogate pair: an escape \\ud800 to \\udfff, or bytes not in UTF-8"
        raise DocumentError(where, problem)
    key = re.sub(r"\[\d+\]$", "", where).rpartition(".")[2]
    return _typed(expanded, _TYPES.get(key, set())) if "${" in text else expanded


def _typed(text: str, types: set[object]) -> object:
    """Return a text from the environment as a number or as true or false, if its key takes such a value."""
    if bool in types and text.strip() in _SWITCHES:
        return _SWITCHES[text.strip()]
    if not {int, float} & types:
        return text
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        return text


def choices(where: str) -> str:
    """Return, for a message, the words that the key at this place takes."""
    types = _TYPES[where.rpartition(".")[2]]
    words = [f"`{word}`" for word in sorted(each for each in types if isinstance(each, str))]
    return " or ".join(words + ["true or false"] * (bool in types))


def _missing_credentials(tree: object, unset: Mapping[str, str]) -> Iterator[Missing]:
    """Yield, for each account without a credential, the unset variables that could contain the credential."""
    accounts = tree.get("accounts") if isinstance(tree, dict) else None
    for index, account in enumerate(accounts if isinstance(accounts, list) else ()):
        where = f"accounts[{index}]"
        given = [key for key in _SECRETS if isinstance(account, dict) and key in account]
        names = tuple(unset[place] for key in _SECRETS if (place := f"{where}.{key}") in unset)
        if names and not given:
            yield Missing(names, where)
        elif given and given[0].startswith("api_key") and (place := f"{where}.api_email") in unset:
            yield Missing((unset[place],), place)


def _leaves(kind: object, suffix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the types that a type consists of. The text before a type has `[]` for each list around the type."""
    parts = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    if not parts:
        yield suffix, kind
    for part in parts:
        yield from _leaves(part, f"{suffix}[]" if get_origin(kind) is tuple else suffix)


def _sections(kind: msgspec.StructMeta, where: str = "") -> Iterator[tuple[str, msgspec.StructMeta]]:
    """Yield the path of every section of the configuration, such as `accounts[].users`, and its type."""
    yield where, kind
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]  # the stubs of msgspec want a Struct
        for suffix, part in _leaves(field.type):
            if isinstance(part, msgspec.StructMeta):
                yield from _sections(part, f"{where}.{field.name}{suffix}".lstrip("."))


_SECTIONS = dict(_sections(Config))
# For each key: the types that its value, or the values in its list, may have.
_TYPES = {
    field.name: {kind for _, kind in _leaves(field.type)}
    for section in _SECTIONS.values()
    for field in msgspec.structs.fields(section)  # type: ignore[arg-type]  # see above
}
