"""The status page: the seats of each account, and the result of the last poll of each target. No JavaScript."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from access_exporter import __homepage__, __version__
from access_exporter.config import Account
from access_exporter.polling import Snapshot, Snapshots
from access_exporter.serving.status_accounts import SEATS_WARNING, Row, Shown, by_urgency
from access_exporter.serving.status_cards import cards, lists
from access_exporter.serving.status_style import STYLE
from access_exporter.serving.status_text import age, moment

# Up to 6 accounts each have a card on the page. If there are more, each has a line instead, which links to its card.
MOST_CARDS = 6
KEPT_SECONDS = 1
REFRESH_SECONDS = 30
FIRST_REFRESH_SECONDS = 10  # while a first poll is under way
TITLE = "Cloudflare Access exporter"


class Made(NamedTuple):
    """A page, and the seconds after which the browser should reload it."""

    page: bytes
    refresh: int


class _Kept(NamedTuple):
    """The cached page of all accounts, the accounts on it, and the time when it was made (monotonic clock)."""

    accounts: Sequence[Account]
    at: float
    made: Made


@dataclass(frozen=True)
class View:
    """The requested view: all accounts or one account. If `refreshes` is False, the page does not reload itself."""

    metrics_path: str = "/metrics"
    demo: bool = False
    refreshes: bool = True
    account_id: str | None = None


class StatusPage:
    """The status page of an exporter. `accounts` are the accounts of the current configuration."""

    def __init__(self, snapshots: Snapshots, metrics_path: str, *, demo: bool) -> None:
        """Start without accounts; the exporter sets `accounts` after it has read the configuration."""
        self.accounts: Sequence[Account] = ()
        self._snapshots = snapshots
        self._clock = snapshots.clock
        self._metrics_path = metrics_path
        self._demo = demo
        self._kept: dict[bool, _Kept] = {}

    def current(self, *, refreshes: bool = True) -> Made:
        """Return the page of all accounts. It is cached for one second, or until a reload changes the accounts."""
        now = self._clock.monotonic()
        kept = self._kept.get(refreshes)
        if kept is None or kept.accounts is not self.accounts or now - kept.at >= KEPT_SECONDS:
            accounts = self.accounts
            made = self._make(accounts, View(self._metrics_path, self._demo, refreshes))
            kept = self._kept[refreshes] = _Kept(accounts, now, made)
        return kept.made

    def of(self, account_id: str, *, refreshes: bool = True) -> Made | None:
        """Return the page of one account, or None if the account is not configured."""
        accounts = [account for account in self.accounts if account.id == account_id]
        if not accounts:
            return None
        return self._make(accounts, View(self._metrics_path, self._demo, refreshes, account_id))

    def render(self) -> str:
        """Return the current page of all accounts, without the cache."""
        return self._make(self.accounts, View(self._metrics_path, self._demo)).page.decode()

    def _make(self, accounts: Sequence[Account], view: View) -> Made:
        ids = {account.id for account in accounts}
        found = [each for each in self._snapshots.all() if each.collector.key.account_id in ids]
        page = render(accounts, map(self._row, found), self._clock.time(), view)
        waits = any(each.polled_at is None and not each.collector.is_optional for each in found)
        return Made(page.encode(errors="replace"), FIRST_REFRESH_SECONDS if waits else REFRESH_SECONDS)

    def _row(self, snapshot: Snapshot) -> Row:
        is_awaited = snapshot.polled_at is None or snapshot.succeeded_at is None
        walked = self._snapshots.under_way.of(snapshot.collector) if is_awaited else None
        return Row(snapshot, self._snapshots.is_fresh(snapshot), walked)


def render(accounts: Sequence[Account], rows: Iterable[Row], now: float, view: View) -> str:
    """Return the page at the time `now`, in seconds since the epoch."""
    by_account: dict[str, list[Row]] = {account.id: [] for account in accounts}
    for row in rows:
        account_id = row.snapshot.collector.key.account_id
        if account_id in by_account:  # a reload may have just removed the account
            by_account[account_id].append(row)
    shown = by_urgency([Shown(account, by_account[account.id]) for account in accounts])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{_tab_title(shown)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{TITLE}</h1>
<p class="verdict">{_verdict(shown)}</p>
<nav aria-label="Pages">{_links(view)}</nav>
{_DEMO if view.demo else ""}
</header>
<main>
{cards(shown, now) if len(shown) <= MOST_CARDS else lists(shown)}
</main>
<footer>
<p>As of {moment(now)}, {age(now, now)} <span class="refresh">· {_refreshing(view)}</span></p>
</footer>
</body>
</html>
"""


_DEMO = """<p class="notice"><strong>Demo.</strong> These numbers come from a simulated account inside the exporter;
no request leaves this machine.</p>"""


def _links(view: View) -> str:
    links = [
        (escape(view.metrics_path), "Metrics"),
        (f"{__homepage__}/blob/main/docs/runbook.md", "Runbook"),
        (f"{__homepage__}/blob/main/CHANGELOG.md", f"Version {escape(__version__)}"),
    ]
    if view.account_id is not None:
        links.insert(0, ("?", "All accounts"))
    return "\n".join(f'<a href="{address}">{words}</a>' for address, words in links)


def _refreshing(view: View) -> str:
    """Return whether the page reloads itself, with a link to stop or start that."""
    account = [f"account={quote(view.account_id, safe='')}"] if view.account_id is not None else []
    if view.refreshes:
        query = "&amp;".join((*account, "refresh=off"))
        return f'this page refreshes by itself: <a href="?{query}">stop</a>'
    return f'this page does not refresh by itself: <a href="?{"".join(account)}">start</a>'


def _tab_title(accounts: Sequence[Shown]) -> str:
    failing = sum(len(shown.failing) for shown in accounts)
    return f"{failing} failing – {TITLE}" if failing else TITLE


def _verdict(accounts: Sequence[Shown]) -> str:
    polls, failing, waiting = (
        sum(len(rows) for rows in each)
        for each in (
            [shown.required for shown in accounts],
            [shown.failing for shown in accounts],
            [shown.waiting for shown in accounts],
        )
    )
    words = [f'<strong class="good">All {polls:,} polls good</strong>']
    if failing:
        words = [f'<strong class="bad">{failing:,} of {polls:,} polls failing</strong>']
    elif waiting:
        words = [f'<strong class="warn">{waiting:,} of {polls:,} first polls under way</strong>']
    over = sum((shown.share or 0) > 1 for shown in accounts)
    near = sum(SEATS_WARNING <= (shown.share or 0) <= 1 for shown in accounts)
    if over:
        words.append(f'<strong class="bad">{_accounts(over)} over the seat limit</strong>')
    if near:
        words.append(f'<strong class="warn">{_accounts(near)} near the seat limit</strong>')
    if warnings := sum(len(shown.warnings) for shown in accounts):
        words.append(f'<strong class="warn">{"1 warning" if warnings == 1 else f"{warnings:,} warnings"}</strong>')
    return " · ".join(words)


def _accounts(number: int) -> str:
    return "1 account" if number == 1 else f"{number:,} accounts"
