"""What does not have the type it should have, in the words of whoever wrote it: of a file, or of an answer."""

import re

import msgspec

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
    "date": "a date",
    "datetime": "a date",
}


def in_words(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the place, such as `accounts[0].name` or nothing, and what was expected there; no value of anyone's."""
    problem, _, where = str(error).partition(" - at `")
    where = where.rstrip("`").removeprefix("$").removeprefix(".")
    if field := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{where}.{field[1]}".lstrip("."), "required, but missing"
    problem = problem.replace("Invalid RFC3339 encoded datetime", "Expected a date such as 2026-01-31T09:30:00Z")
    problem = problem.replace(" | null", "")
    problem = problem.replace("int | float", "float")
    problem = re.sub(r"`([a-z |]+)`", lambda match: _types_in_words(match[1]), problem)
    return where, problem[0].lower() + problem[1:]


def _types_in_words(union: str) -> str:
    return " or ".join(_TYPES.get(kind, kind) for kind in union.split(" | "))
