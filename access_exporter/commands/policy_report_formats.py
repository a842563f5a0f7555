"""The formats of a report on a policy: a table, CSV, JSON, and Markdown for a comment on a pull request.

Markdown lists no people, only numbers, unless `--show=all` asks for all people.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from access_exporter.commands import table
from access_exporter.commands.policy_report import Report
from access_exporter.commands.table import Cell, Row

_CHANGES_IN_WORDS = {
    "newly_blocked": "lose access (newly blocked)",
    "newly_error": "get an error (newly error)",
    "newly_approved": "gain access (newly approved)",
    "not_compared": "in one of the tests only",
    "same": "stay the same",
}


def as_table(report: Report) -> Iterator[str]:
    """Yield tables of the counts, and then a table of the people."""
    for columns, rows in _counts(report):
        yield from table.as_table(columns, rows)
        yield "\n"
    people = list(report.people())
    yield from table.as_table(report.columns, people) if people else ["no people to list\n"]


def as_csv(report: Report) -> Iterator[str]:
    """Yield one list: first the counts, with a number in the column `users`, and then the people, without a number."""
    before = len(report.columns) - 4  # columns before `status`
    columns = (*report.columns[: before + 1], "users", *report.columns[before + 1 :])
    no_person = (None,) * 3
    rows: list[Row] = [(*(None,) * before, name, number, *no_person) for name, number, _ in report.counts()]
    if report.present:
        rows += [(None, name, None, number, *no_person) for name, _, number in report.counts()]
        rows += [(name, None, None, number, *no_person) for name, number in report.changed.items()]
    rows += [(*row[: before + 1], None, *row[before + 1 :]) for row in report.people()]
    return table.as_csv(columns, rows)


def as_json(report: Report) -> Iterator[str]:
    """Yield a JSON object, with one line for each person."""
    whole: dict[str, object] = {
        "account_id": report.account_id,
        "policy_test_id": report.proposed.test_id,
        "users": report.proposed.counts,
        "compared_with": None,
        "changed_users": None,
    }
    if report.saved and report.present:
        saved = {"kind": report.saved.kind, "id": report.saved.id, "name": report.saved.name}
        whole["compared_with"] = saved | {"policy_test_id": report.present.test_id, "users": report.present.counts}
        whole["changed_users"] = report.changed
    whole["limits"] = [
        {"flag": each.flag, "limit": each.limit.text, "users": each.people, "exceeded": each.is_exceeded}
        for each in report.verdicts()
    ]
    whole["problems"] = list(report.problems())
    yield "{\n"
    for name, value in whole.items():
        yield f"{json.dumps(name)}: {table.escaped(value)},\n"
    yield '"people": '
    yield from table.as_json(report.columns, report.people())
    yield "}\n"


def as_markdown(report: Report) -> Iterator[str]:
    """Yield headings and tables for a comment on a pull request."""
    blocked, tested = report.proposed.counts["blocked"], len(report.proposed.people)
    yield f"### Policy test: {blocked:,} of {tested:,} people are blocked\n"
    if report.saved:
        yield f"\nCompared with the {report.saved.kind} {_code(report.saved.name)} as it is now.\n"
    for columns, rows in _counts(report):
        yield from _markdown_table(columns, rows, str)
    problems, verdicts = list(report.problems()), report.verdicts()
    if problems or verdicts:
        yield "\n"
    yield from (f"- **Incomplete**: {problem}.\n" for problem in problems)
    yield from (f"- **{'Exceeded' if each.is_exceeded else 'Kept'}**: `{each}`\n" for each in verdicts)
    if report.lists_all:
        yield from _markdown_table(report.columns, report.people(), _code)


def _counts(report: Report) -> Iterator[tuple[Sequence[str], list[Row]]]:
    """Yield the counts by result and, with `--compare-with`, by change. Each is a pair of columns and rows."""
    if not report.present:
        yield ("status", "users"), [row[:2] for row in report.counts()]
        return
    yield ("status", "users", "users now"), list(report.counts())
    yield ("change", "users"), [(_CHANGES_IN_WORDS[kind], number) for kind, number in report.changed.items()]


def _markdown_table(columns: Sequence[str], rows: Iterable[Row], shown: Callable[[Cell], str]) -> Iterator[str]:
    yield f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    yield from (f"| {' | '.join(map(shown, row))} |\n" for row in rows)


def _code(cell: Cell) -> str:
    """Return a cell as Markdown code, so that a name cannot become a link, a mention or markup, or end the cell."""
    text = table.fitted(cell).translate({ord("|"): "¦", ord("`"): "'"}).strip()
    return f"`{text}`" if text else ""


FORMATS: dict[str, Callable[[Report], Iterator[str]]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
    "markdown": as_markdown,
}
