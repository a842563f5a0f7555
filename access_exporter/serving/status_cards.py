"""Accounts on the status page: a card for each account, or a line for each if there are many."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from urllib.parse import quote

from access_exporter.collectors import users_summary
from access_exporter.serving import status_drawings
from access_exporter.serving.status_accounts import Shown, Urgency
from access_exporter.serving.status_targets import targets
from access_exporter.serving.status_text import span, text

_TITLES = {
    Urgency.FAILING: "Accounts with failing polls",
    Urgency.OVER: "Over the seat limit",
    Urgency.NEAR: "Near the seat limit",
    Urgency.WARNED: "Accounts with warnings",
    Urgency.WAITING: "First poll under way",
    Urgency.CALM: "All other accounts",
}


def cards(accounts: Sequence[Shown], now: float) -> str:
    """Return a card for each account."""
    whole = (
        f'<section class="card">\n<h2>{_name(shown)}</h2>\n{_seats(shown)}{targets(shown.rows, now)}\n</section>'
        for shown in accounts
    )
    return "\n".join(('<div class="grid">', *whole, "</div>"))


def lists(accounts: Sequence[Shown]) -> str:
    """Return a line for each account, in groups with a heading such as `Near the seat limit`."""
    groups = ((urgency, list(group)) for urgency, group in groupby(accounts, key=lambda shown: shown.urgency))
    return "\n".join(_list(_TITLES[urgency], group) for urgency, group in groups)


def _list(title: str, accounts: Sequence[Shown]) -> str:
    lines = "\n".join(f"<li>{_line(shown)}</li>" for shown in accounts)
    return f'<section>\n<h2>{title} <span>{len(accounts):,}</span></h2>\n<ul class="lines">\n{lines}\n</ul>\n</section>'


def _line(shown: Shown) -> str:
    people, limit = shown.people, shown.account.seat_limit
    used = "no numbers" if people is None else f"{people.seats_used:,} seats"
    bar = "<span></span>"
    if people and limit:
        used = f'{people.seats_used:,} of {limit:,} <span class="{shown.level}">{shown.share_in_words}</span>'
        bar = status_drawings.bar(shown.level, people.seats_used, limit, 'aria-hidden="true"')
    course = status_drawings.line(shown.history, 'aria-hidden="true"') if shown.history else "<span></span>"
    address = f"?account={quote(shown.account.id, safe='')}"
    return (
        f'<a href="{address}"><span class="name">{_name(shown)}</span>{course}{bar}'
        f'<span class="of">{used}</span>{_state(shown)}</a>'
    )


def _state(shown: Shown) -> str:
    if shown.failing:
        reasons = ", ".join(sorted({row.snapshot.failure.reason for row in shown.failing if row.snapshot.failure}))
        return f'<span class="bad how">{len(shown.failing)} of {len(shown.required)} failing: {reasons}</span>'
    if shown.waiting:
        return f'<span class="warn how">first poll{_share_read(shown)}</span>'
    if shown.warnings:
        words = ", ".join(sorted(set(shown.warnings)))
        return f'<span class="warn how">{len(shown.warnings)} of {len(shown.required)}: {words}</span>'
    return '<span class="good how">polled</span>'


def _share_read(shown: Shown) -> str:
    """Return the progress of all first polls of an account together, or an empty string if it is unknown."""
    known = [row.walked for row in shown.waiting if row.walked and row.walked.expected]
    expected = sum(walked.expected or 0 for walked in known)
    return f": {sum(walked.pages for walked in known):,} of {expected:,} pages" if expected > 1 else ""


def _name(shown: Shown) -> str:
    account = shown.account
    if account.name is None:
        return f"<code>{text(account.id)}</code>"
    return f"{text(account.name)} <code>{text(account.id)}</code>"


def _seats(shown: Shown) -> str:
    people = shown.people
    if people is None:
        return ""
    return f"{_used(shown, people.seats_used)}\n{_tiles(_numbers(people))}{_tiles(_idle(people))}"


def _tiles(numbers: Iterable[tuple[str, ...]]) -> str:
    """Return a tile for each label and its number. More words about a number follow below the label."""
    tiles = "".join(
        f"<div><dt>{label}</dt>{''.join(f'<dd>{words}</dd>' for words in values)}</div>" for label, *values in numbers
    )
    return f'<dl class="tiles">{tiles}</dl>\n' if tiles else ""


def _numbers(people: users_summary.UsersSummary) -> Iterator[tuple[str, str]]:
    yield "Users", f"{sum(people.users.values()):,}"
    yield "Active devices", f"{people.active_devices:,.0f}"
    yield "Logged in within 7 days", f"{people.users_logged_in['7d']:,}"
    if people.users_active is not None:
        yield "Active within 7 days", f"{people.users_active['7d']:,}"


def _idle(people: users_summary.UsersSummary) -> Iterator[tuple[str, ...]]:
    if people.never_used is not None:
        yield "Seats never used", f"{people.never_used:,}"
    for days in people.idle | people.activity_unknown:
        unknown = people.activity_unknown.get(days, 0)
        more = (f"+ {unknown:,} unknown",) if unknown else ()
        yield f"Idle for {days} days", f"{people.idle.get(days, 0):,}", *more


def _used(shown: Shown, used: int) -> str:
    """Return the seats in use with their limit, if there is one, and their history."""
    limit = shown.account.seat_limit
    if limit is None:
        words = f'<p><strong>{used:,}</strong> seats used</p><p class="soft">no seat_limit set</p>'
        return f'<div class="drawn"><div class="seats">{words}</div>{_history(shown)}</div>'
    words = f"<p><strong>{used:,}</strong> of <strong>{limit:,}</strong> seats used</p>"
    share = f'<p class="{shown.level}">{shown.share_in_words}</p>'
    label = f'role="img" aria-label="{used:,} of {limit:,} seats used"'
    bar = status_drawings.bar(shown.level, used, limit, label)
    return f'<div class="drawn"><div class="seats">{words}{share}{bar}</div>{_history(shown)}</div>'


def _history(shown: Shown) -> str:
    history = shown.history
    if history is None:
        return ""
    numbers, time = status_drawings.words(history), span(status_drawings.seconds(history))
    label = f'role="img" aria-label="{numbers} seats used in the last {time}"'
    caption = f'<figcaption aria-hidden="true">{numbers} in {time}</figcaption>'
    return f"<figure>{status_drawings.line(history, label)}{caption}</figure>"
