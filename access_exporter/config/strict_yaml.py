"""Reads YAML strictly: duplicate keys, tags and endless aliases are errors, and no code runs. Errors name the line.

The file may contain secrets. So a message repeats no text of the file except names of keys that cannot be secrets.
"""

import contextlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec
import yaml

from access_exporter.config import files
from access_exporter.errors import DocumentError, describe, named

T = TypeVar("T")
Sections: TypeAlias = Mapping[str, msgspec.StructMeta]  # by their place, such as `accounts[].users`

_KINDS = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)
_KEY = re.compile(r"[\w.@+-]+|<<")
_READ_DIFFERENTLY = re.compile("[\t\ufeff?]")  # libyaml accepts these characters in more places than PyYAML
MAX_BYTES = 32 * 1024 * 1024  # enough for tens of thousands of accounts
_MOST_NODES = 1_000_000
_MOST_LEVELS = 50  # each level uses some of Python's stack
_TOO_DEEP = f"expected at most {_MOST_LEVELS} levels of nesting"


def read(path: str) -> object:
    """Return the content of a YAML file. Raises DocumentError."""
    text = _text(_content(path))
    if yaml.__with_libyaml__ and not _READ_DIFFERENTLY.search(text):
        with contextlib.suppress(yaml.YAMLError, DocumentError, ValueError, OverflowError):
            return _FastLoader(text).get_single_data()
    return _parse(text, _Loader)  # reports an error in the same words with and without libyaml


def read_words(path: str) -> object:
    """Return the content of a YAML file, with fractions and dates as strings. Raises DocumentError."""
    return _parse(_text(_content(path)), _WordLoader)


def read_json(content: bytes) -> object:
    """Return the content of JSON or YAML. In this YAML, `no`, `12:30` and `2026-01-31` are strings.

    Raises DocumentError, also for a value that JSON cannot express.
    """
    text = _text(content).removeprefix("\ufeff")
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        data = _parse(text, _JsonLoader)
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError):
        raise DocumentError("", "expected only values of JSON: no dates and no infinite numbers") from None
    return data


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object with these keys. Raises DocumentError for a duplicate key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DocumentError("", "duplicate key in an object")
    return found


def _content(path: str) -> bytes:
    try:
        return files.read(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise DocumentError("", f"cannot be read: {getattr(error, 'strerror', None) or 'it is not a path'}") from None


def _parse(text: str, loader: "type[_Loader]") -> object:
    try:
        return loader(text).get_single_data()
    except yaml.reader.ReaderError as error:
        where = f"line {text.count(chr(10), 0, error.position) + 1}"
        raise DocumentError(where, f"expected no control character, got U+{error.character:04X}") from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = re.sub(r"(alias|tag handle) .*", r"\1", str(error.problem))  # the name may be a secret without quotes
        raise DocumentError(where, f"expected valid YAML: {problem}") from None
    except (ValueError, OverflowError):
        raise DocumentError("", "expected valid YAML: an escape such as \\U00110000 is not a character") from None


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"line {line}", "expected UTF-8 text") from None


class _Extent(NamedTuple):
    """The number of values and of levels in a node, with all aliases expanded."""

    nodes: int
    levels: int


_ENDLESS = _Extent(1000 * _MOST_NODES, 0)  # the extent of an alias inside its own anchor, which never ends


class _Loader(yaml.SafeLoader):
    """A SafeLoader that reports the line of every error, and refuses duplicate keys, tags and endless aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._extents: dict[yaml.Node, _Extent] = {}
        self._level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        alias = self.check_event(yaml.AliasEvent)
        self._level += 1
        if self._level > _MOST_LEVELS:
            line: int = self.peek_event().start_mark.line  # type: ignore[no-untyped-call]  # the stubs of PyYAML miss it
            raise DocumentError(f"line {line + 1}", _TOO_DEEP)
        node = super().compose_node(parent, index)
        self._level -= 1
        if node and not alias:
            self._check(node)
        return node

    def _check(self, node: yaml.Node) -> None:
        if node.tag not in _TAGS:
            raise DocumentError(
                _line(node), "expected no tag (`!name`); put a string that begins with ! or = in quotes"
            )
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        # With aliases of aliases, a few lines can mean billions of values or a thousand levels.
        inner = [self._extents.get(child, _ENDLESS) for child in _children(node)]
        extent = _Extent(1 + sum(child.nodes for child in inner), 1 + max((child.levels for child in inner), default=0))
        if extent.nodes > _MOST_NODES + len(self._extents):  # values written in the file do not count
            raise DocumentError(_line(node), f"expected aliases (`*name`) with less than {_MOST_NODES:,} values in all")
        if extent.levels > _MOST_LEVELS:
            raise DocumentError(_line(node), _TOO_DEEP)
        self._extents[node] = extent

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002 – PyYAML's signature
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # 2026-02-30, !!bool x, !!timestamp x
            raise DocumentError(_line(node), "expected a valid number or date; put a string in quotes") from None


class _FastLoader(_Loader):
    """A _Loader with the parser of libyaml, which takes a third of the time for ten thousand accounts."""

    def __init__(self, text: str) -> None:
        super().__init__("")
        parser = yaml.CSafeLoader(text)
        for name in ("check_event", "peek_event", "get_event"):
            setattr(self, name, getattr(parser, name))


class _JsonLoader(_Loader):
    """Reads a word without quotes as its value in JSON, and every other word as a string."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 – as in PyYAML


class _WordLoader(_Loader):
    """Reads a word without quotes as a string, unless it is a whole number, a boolean of YAML 1.1 or null."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 – as in PyYAML


def _resolve(loader: type[_Loader], kind: str, pattern: str, first: Iterable[str]) -> None:
    loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{pattern})$"), list(first))


for _loader in (_JsonLoader, _WordLoader):
    _resolve(_loader, "null", "null|Null|NULL|~|", ["n", "N", "~", ""])
    _resolve(_loader, "int", "-?(?:0|[1-9][0-9]*)", "-0123456789")
    _resolve(_loader, "merge", "<<", "<")
_resolve(_JsonLoader, "bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve(_JsonLoader, "float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789")
_resolve(_WordLoader, "bool", "(?i:true|false|yes|no|on|off)", "tTfFyYnNoO")


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return itertools.chain.from_iterable(node.value)
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _check_keys(mapping: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in mapping.value:
        if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge") or not _KEY.fullmatch(str(key.value)):
            raise DocumentError(_line(key), "expected a key that is a plain word, such as `users`")
        if key.value in seen:
            raise DocumentError(_line(key), "duplicate key")
        seen.add(key.value)


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def check_known(mapping: Mapping[str, object], where: str, sections: Sections) -> None:
    """Raise DocumentError if the section at this place, such as `accounts[0]`, has an unknown key."""
    section = sections.get(re.sub(r"\d+", "", where))
    if section and (unknown := [key for key in mapping if key not in section.__struct_fields__]):
        known = ", ".join(section.__struct_fields__)
        raise DocumentError(where, f"{named('unknown key', unknown[0])}; expected one of {known}")


def convert(tree: object, kind: type[T], hook: Callable[[type, object], object] | None = None) -> T:
    """Return the tree as this type. Raises DocumentError, with the path of the key, for a value of a wrong type."""
    try:
        return msgspec.convert(tree, kind, dec_hook=hook)
    except msgspec.ValidationError as error:
        where, problem = describe(error)
        if re.search("expected a string, got .*(number|date|false)", problem, re.IGNORECASE):
            problem += "; put the value in quotes"
        raise DocumentError(where, problem) from None
