"""The tables of keys in docs/configuration.md, from access_exporter/config/model.py."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from access_exporter.config.durations import Duration
from access_exporter.config.model import Account, Config, PolicyTest
from benchmarks.documents import replaced
from docs.generate.markdown import code, table

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
REQUIRED = "required"


class Section(NamedTuple):
    """A group of keys of a type: examples of its required keys, and the keys of the type that the group excludes."""

    kind: type[msgspec.Struct]
    required: Mapping[str, Any] = {}  # Any: each key has its own type
    without: tuple[str, ...] = ()


class Key(NamedTuple):
    """The documentation of a key; `value` is its default, or an example if the default is missing or in words.

    A key that contains other keys has a `section` instead of a value.
    """

    name: str
    value: str
    default: str
    limits: str
    meaning: str
    section: Section | None


WHOLE = Section(Config, {"accounts": ()})
ACCOUNT = Section(Account, {"id": "${CLOUDFLARE_ACCOUNT_ID}"})
# The list `policy_tests` has three kinds of items.
_OF_DISCOVERY = ("discover", "match", "exclude", "limit")
FOLLOWED_TEST = Section(PolicyTest, {"id": "f1a8b3…"}, without=("policies", "refresh", *_OF_DISCOVERY))
FRESH_TEST = Section(
    PolicyTest,
    {"name": "payroll", "policies": ("a1b2c3d4-5678-4abc-8def-0123456789ab",)},
    without=("id", *_OF_DISCOVERY),
)
DISCOVERY = Section(PolicyTest, {"discover": "applications"}, without=("id", "name", "policies"))


def update(document: str) -> str:
    """Return docs/configuration.md with updated tables."""
    for mark, section in _tables():
        rows = map(_row, keys(section))
        document = replaced(document, mark, table(("Key", "Default", "Limits", "Meaning"), rows))
    return document


def _tables() -> Iterator[tuple[str, Section]]:
    """Yield each section with the name of its mark in the document."""
    yield "account", ACCOUNT
    yield "followed policy test", FOLLOWED_TEST
    yield "fresh policy test", FRESH_TEST
    yield "discovery", DISCOVERY
    yield from ((key.name, key.section) for section in (WHOLE, ACCOUNT) for key in keys(section) if key.section)


def _row(key: Key) -> tuple[str, ...]:
    default = code(key.default) if key.default == key.value else key.default
    return code(key.name), default, key.limits, key.meaning


def keys(section: Section) -> Iterator[Key]:
    """Yield the keys of a section in the order of the model; raises TypeError for a key without a description."""
    least = section.kind(**section.required)
    for field in msgspec.structs.fields(section.kind):
        if field.name not in section.without:
            yield _key(field, getattr(least, field.name), required=field.name in section.required)


def _key(field: msgspec.structs.FieldInfo, value: object, *, required: bool) -> Key:
    described = inspect.type_info(field.type)
    if not isinstance(described, inspect.Metadata) or not described.extra_json_schema:
        raise TypeError(f"the key {field.name} has no description")
    in_words = (described.extra or {})["default"]
    (example,) = described.extra_json_schema.get("examples", [None])
    section = _section(described.type)
    return Key(
        field.name,
        value="" if section else _text(value) or _text(example),
        default=REQUIRED if required else _text(value) or in_words,
        limits=_limits(described.type),
        meaning=described.extra_json_schema["description"],
        section=section,
    )


def _section(kind: inspect.Type) -> Section | None:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next((Section(each.cls) for each in kinds if isinstance(each, inspect.StructType)), None)


def _text(value: object) -> str:
    """Return a value as YAML, or an empty string for None, an empty list or a section."""
    if isinstance(value, Duration):
        return _span(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_quoted, value))}]" if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, msgspec.Struct) else str(value)


def _quoted(value: object) -> str:
    """Return a list item as YAML, with quotes if it has a `*`, because YAML reads a leading `*` as an alias."""
    return f'"{value}"' if isinstance(value, str) and "*" in value else str(value)


def _span(seconds: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS.items() if seconds % size == 0), ("s", 1))
    return f"{seconds / size:g}{unit}"


def _limits(kind: inspect.Type) -> str:
    """Return the limits of a type in words, or an empty string if it has no notable limits."""
    match kind:
        case inspect.IntType(ge=ge, le=le) | inspect.FloatType(ge=ge, le=le) if ge is not None and le is not None:
            return f"{ge:,} to {le:,}"
        case inspect.StrType(max_length=int(length)):
            return f"up to {length} characters"
        case inspect.CustomType(cls=cls) if issubclass(cls, Duration) and cls.minimum > Duration.minimum:
            return f"at least {_span(cls.minimum)}"
        case inspect.VarTupleType(item_type=item) if limits := _limits(item):
            return f"each {limits}"
        case inspect.UnionType(types=types):
            return next(filter(None, map(_limits, types)), "")
    return ""
