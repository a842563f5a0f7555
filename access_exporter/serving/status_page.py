"""The page people look at: each account's seats, and for every target how its last poll went. No script needed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from access_exporter import __version__
from access_exporter.clock import Clock
from access_exporter.collectors import users_summary
from access_exporter.config import Account
from access_exporter.polling import Snapshot, Snapshots
from access_exporter.serving.status_style import STYLE

# The same thresholds as in the alerts.
SEATS_WARNING = 0.8
SEATS_CRITICAL = 0.9
# Up to so many accounts each have a card; more are a list, a line each that opens, with what fails first.
MOST_CARDS = 6
KEPT_SECONDS = 1
_POLICY_TESTS = "policy_tests"
_CHANGED = 2  # the rank of policy tests that changed the result of somebody


class _Made(NamedTuple):
    """A page, the accounts it shows, and when it was made (monotonic)."""

    accounts: Sequence[Account]
    at: float
    page: bytes


class StatusPage:
    """The status page of an exporter; `accounts` are those of the configuration in use."""

    def __init__(self, snapshots: Snapshots, clock: Clock, metrics_path: str, *, demo: bool) -> None:
        """Know of no account yet."""
        self.accounts: Sequence[Account] = ()
        self._snapshots = snapshots
        self._clock = clock
        self._metrics_path = metrics_path
        self._demo = demo
        self._made: _Made | None = None

    def current(self) -> bytes:
        """Return the page, made at most once per second, and at once after a reload."""
        now = self._clock.monotonic()
        made = self._made
        if made is None or made.accounts is not self.accounts or now - made.at >= KEPT_SECONDS:
            made = self._made = _Made(self.accounts, now, self.render().encode(errors="replace"))
        return made.page

    def render(self) -> str:
        """Return the page as of now."""
        rows = [Row(snapshot, self._snapshots.is_fresh(snapshot)) for snapshot in self._snapshots.all()]
        return render(self.accounts, rows, self._clock.time(), self._metrics_path, demo=self._demo)


@dataclass(frozen=True)
class Row:
    """A target on the page; `fresh` tells whether its numbers are still shown on the metrics page."""

    snapshot: Snapshot
    fresh: bool


def render(accounts: Sequence[Account], rows: Iterable[Row], now: float, metrics_path: str, *, demo: bool) -> str:
    """Return the page as of `now`, in seconds since the epoch."""
    by_account: dict[str, list[Row]] = {account.id: [] for account in accounts}
    for row in rows:
        account_id = row.snapshot.collector.key.account_id
        if account_id in by_account:  # or else a reload is just taking the account away
            by_account[account_id].append(row)
    shown = [(account, by_account[account.id]) for account in accounts]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Cloudflare Access exporter</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Cloudflare Access exporter</h1>
<p>{_verdict([row for rows in by_account.values() for row in rows])} · <a href="{escape(metrics_path)}">Metrics</a></p>
{_DEMO if demo else ""}
</header>
<main>
{_cards(shown, now) if len(shown) <= MOST_CARDS else _lists(shown, now)}
</main>
<footer>
<p>Version {escape(__version__)} · as of {_moment(now)}</p>
</footer>
</body>
</html>
"""


_DEMO = """<p class="notice"><strong>Demo.</strong> These numbers come from a simulated account inside the exporter;
no request leaves this machine.</p>"""


def _verdict(rows: Iterable[Row]) -> str:
    rows = _required(rows)
    failing = _failing(rows)
    waiting = _waiting(rows)
    if failing:
        return f'<strong class="bad">{failing} of {len(rows)} polls failing</strong>'
    if waiting:
        return f'<strong class="warn">{waiting} of {len(rows)} first polls under way</strong>'
    return f'<strong class="good">All {len(rows)} polls good</strong>'


def _required(rows: Iterable[Row]) -> Sequence[Row]:
    """Return the rows of targets that are not optional: only those count."""
    return [row for row in rows if not row.snapshot.collector.is_optional]


def _failing(rows: Iterable[Row]) -> int:
    return sum(row.snapshot.failure is not None for row in _required(rows))


def _waiting(rows: Iterable[Row]) -> int:
    return sum(row.snapshot.polled_at is None for row in _required(rows))


def _cards(accounts: Iterable[tuple[Account, Sequence[Row]]], now: float) -> str:
    cards = (
        f'<section class="card">\n<h2>{_name(account)}</h2>{_whole(account, rows, now)}</section>'
        for account, rows in accounts
    )
    return "\n".join(('<div class="grid">', *cards, "</div>"))


def _lists(accounts: Sequence[tuple[Account, Sequence[Row]]], now: float) -> str:
    failing = [(account, rows) for account, rows in accounts if _failing(rows)]
    others = [(account, rows) for account, rows in accounts if not _failing(rows)]
    lists = (("Accounts with failing polls", failing), ("Accounts", others))
    return "\n".join(_list(title, listed, now) for title, listed in lists if listed)


def _list(title: str, accounts: Sequence[tuple[Account, Sequence[Row]]], now: float) -> str:
    lines = (
        f"<details>\n<summary>{_line(account, rows)}</summary>{_whole(account, rows, now)}</details>"
        for account, rows in accounts
    )
    heading = f"<h2>{title} <span>{len(accounts)}</span></h2>"
    return "\n".join(('<section class="list">', heading, *lines, "</section>"))


def _line(account: Account, rows: Sequence[Row]) -> str:
    people, rows = _people(rows), _required(rows)
    used = "no numbers" if people is None else f"{people.seats_used:,} seats"
    bar = "<span></span>"
    if people and account.seat_limit:
        level, share = _level(people.seats_used, account.seat_limit)
        used = f'{people.seats_used:,} of {account.seat_limit:,} <span class="{level}">{share:.0%}</span>'
        bar = _bar(level, share, 'aria-hidden="true"')
    state = '<span class="good how">polled</span>'
    if failing := _failing(rows):
        reasons = ", ".join(sorted({row.snapshot.failure.reason for row in rows if row.snapshot.failure}))
        state = f'<span class="bad how">{failing} of {len(rows)} failing: {reasons}</span>'
    elif _waiting(rows):
        state = '<span class="warn how">first poll</span>'
    return f'<span class="name">{_name(account)}</span>{bar}<span class="of">{used}</span>{state}'


def _name(account: Account) -> str:
    if account.name is None:
        return _text(account.id)
    return f"{_text(account.name)} <code>{_text(account.id)}</code>"


def _whole(account: Account, rows: Sequence[Row], now: float) -> str:
    people = _people(rows)
    return f"""
{_seats(people, account.seat_limit) if people else ""}
<ul>
{"".join(_target(row, now) for row in sorted(rows, key=_rank))}</ul>
"""


def _rank(row: Row) -> int:
    """Return the place of a target on the page: policy tests come last, of these first what fails or changed."""
    snapshot = row.snapshot
    if snapshot.collector.key.collector != _POLICY_TESTS:
        return 0
    if snapshot.failure is not None:
        return 1
    return _CHANGED if row.fresh and snapshot.collector.has_news(snapshot.summary) else _CHANGED + 1


def _people(rows: Iterable[Row]) -> users_summary.UsersSummary | None:
    summaries = (row.snapshot.summary for row in rows if row.fresh)
    return next((summary for summary in summaries if isinstance(summary, users_summary.UsersSummary)), None)


def _seats(people: users_summary.UsersSummary, limit: int | None) -> str:
    numbers = [("Users", sum(people.users.values())), ("Active devices", people.active_devices)]
    numbers.append(("Logged in within 7 days", people.users_logged_in["7d"]))
    if people.users_active is not None:
        numbers.append(("Active within 7 days", people.users_active["7d"]))
    if people.never_used is not None:
        numbers.append(("Seats never used", people.never_used))
    numbers += [(f"Idle for {days} days", number) for days, number in list(people.idle.items())[-1:]]
    listed = "".join(f"<div><dt>{label}</dt><dd>{number:,.0f}</dd></div>" for label, number in numbers)
    return f"{_used(people.seats_used, limit)}\n<dl>{listed}</dl>"


def _used(used: int, limit: int | None) -> str:
    if limit is None:
        return f'<p class="seats"><span><strong>{used:,}</strong> seats used</span><span>no seat_limit set</span></p>'
    level, share = _level(used, limit)
    return f"""<p class="seats"><span><strong>{used:,}</strong> of <strong>{limit:,}</strong> seats used</span>
<span class="{level}">{share:.0%}</span></p>
{_bar(level, share, f'role="img" aria-label="{used:,} of {limit:,} seats used"')}"""


def _level(used: int, limit: int) -> tuple[str, float]:
    share = used / limit
    return "bad" if share >= SEATS_CRITICAL else "warn" if share >= SEATS_WARNING else "calm", share


def _bar(level: str, share: float, role: str) -> str:
    return f"""<svg {role} viewBox="0 0 100 1" preserveAspectRatio="none">
<rect class="{level}" width="{min(share, 1) * 100:.1f}" height="1"/></svg>"""


def _target(row: Row, now: float) -> str:
    collector = row.snapshot.collector
    name = "" if collector.key.target == collector.key.collector else f" {_text(collector.key.target)}"
    if collector.is_optional and not (row.fresh and list(collector.status(row.snapshot.summary))):
        return ""
    between = " · " if _rank(row) >= _CHANGED else "<br>"  # there may be many policy tests that work
    return f"<li><strong>{collector.title}{name}</strong> {between.join(_state(row, now))}</li>\n"


def _state(row: Row, now: float) -> Iterator[str]:
    snapshot = row.snapshot
    if snapshot.collector.is_optional:
        yield from map(_text, snapshot.collector.status(snapshot.summary))
        return
    if snapshot.polled_at is None:
        yield '<span class="warn">first poll under way</span>'
    elif snapshot.failure is not None:
        yield f'<span class="bad">poll failed ({snapshot.failure.reason})</span>'
        yield f'<span class="bad">{_text(str(snapshot.failure))}</span>'
    else:
        yield '<span class="good">polled</span>'
        if _rank(row) == _CHANGED:
            yield '<span class="warn">changed</span>'
    if row.fresh:
        yield from map(_text, snapshot.collector.status(snapshot.summary))
    yield f'<span class="when">{_times(row, now)}</span>'


def _times(row: Row, now: float) -> str:
    snapshot = row.snapshot
    words = [f"every {_span(snapshot.collector.interval)}"]
    if snapshot.polled_at is not None:
        words.insert(0, f"last poll {_span(now - snapshot.polled_at)} ago")
    if snapshot.succeeded_at is None:
        words.append("no numbers yet")
    elif not row.fresh:
        words.append(f"numbers withdrawn: older than {_span(snapshot.collector.stale_after)}")
    elif snapshot.failure is not None:
        words.append(f"numbers from {_span(now - snapshot.succeeded_at)} ago")
    return " · ".join(words)


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MOST_CHARACTERS = 500


def _text(text: str) -> str:
    """Return somebody else's text as HTML that is nothing but text, and cannot turn round what stands beside it."""
    shown = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
    return f"<bdi>{escape(_UNPRINTABLE.sub('�', shown))}</bdi>"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
