"""The page people look at: each account's seats, and for every target how its last poll went. No script needed."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from access_exporter import __version__
from access_exporter.collectors import users
from access_exporter.collectors.fresh_policy_tests import FreshSummary
from access_exporter.collectors.policy_tests import PolicyTestSummary
from access_exporter.collectors.users import UsersSummary
from access_exporter.config import Account
from access_exporter.snapshots import Snapshot

# The same thresholds as in the alerts.
SEATS_WARNING = 0.8
SEATS_CRITICAL = 0.9
# Up to so many accounts each have a card; more are a list, a line each that opens, with what fails first.
MOST_CARDS = 6

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#57606a;--line:#d5dae0;--track:#e4e8ec;
--good:#1a7f37;--warn:#8a5a00;--bad:#c01c28;--bar:#0969da;--link:#0757b8}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--card:#181d24;--text:#e6eaef;--soft:#9ba5b0;--line:#303841;
--track:#2a323c;--good:#4ac26b;--warn:#e3b341;--bad:#ff7b72;--bar:#58a6ff;--link:#79b8ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}footer{padding:1rem 1rem 2rem;color:var(--soft)}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}p{margin:.4rem 0}
h2 span{color:var(--soft);font-weight:400}
a{color:var(--link)}code{font-size:.85em;font-weight:400;color:var(--soft);overflow-wrap:anywhere}
.notice,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem}
.notice{border-left:5px solid var(--warn);margin:1rem 0}
.grid{display:grid;gap:1rem;align-items:start;margin-top:1rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,29rem),1fr))}
.card{min-width:0}
.seats{display:flex;justify-content:space-between;gap:1rem;margin:.8rem 0 .2rem}
svg{display:block;width:100%;height:12px;border-radius:6px;background:var(--track)}
rect.calm{fill:var(--bar)}rect.warn{fill:var(--warn)}rect.bad{fill:var(--bad)}
dl{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;margin:.8rem 0}dl div{display:flex;gap:.4rem}
dt{color:var(--soft)}dd{margin:0;font-weight:600}
ul{list-style:none;margin:.8rem 0 0;padding:0}
li{border-top:1px solid var(--line);padding:.5rem 0;overflow-wrap:anywhere}li:last-child{padding-bottom:0}
.list{margin:1.2rem 0}
details{background:var(--card);border:1px solid var(--line);margin-top:-1px;padding:0 1rem}
h2+details{border-radius:10px 10px 0 0;margin-top:.5rem}details:last-child{border-radius:0 0 10px 10px}
h2+details:last-child{border-radius:10px}
summary{display:grid;align-items:center;gap:.1rem 1rem;padding:.5rem 0;cursor:pointer;list-style:none;
grid-template-columns:.6rem minmax(0,1fr) 8rem 10rem 14rem}
summary::-webkit-details-marker{display:none}
summary::before{content:"";border:solid transparent;border-width:.3rem 0 .3rem .45rem;border-left-color:var(--soft);
align-self:start;margin-top:.45rem}
details[open] summary::before{transform:rotate(90deg)}
details>:last-child{padding-bottom:1rem}
.name{font-weight:600;overflow-wrap:anywhere}.of{text-align:right;font-variant-numeric:tabular-nums}
.of span{margin-left:.5rem}.how{text-align:right}
@media(max-width:48rem){summary{grid-template-columns:.6rem auto minmax(0,1fr)}.name{grid-column:2/4}
summary svg{grid-column:2/4}.of,.how{align-self:start;margin-top:.1rem}
.of{grid-column:2;text-align:left;white-space:nowrap}}
.when{color:var(--soft);font-size:.9rem}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
"""


def content_security_policy() -> str:
    """Return the policy the page is sent with: nothing is loaded, and only its own style is used."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@dataclass(frozen=True)
class Row:
    """A target on the page; `fresh` tells whether its numbers are still shown on the metrics page."""

    snapshot: Snapshot
    fresh: bool


def render(accounts: Sequence[Account], rows: Iterable[Row], now: float, metrics_path: str, *, demo: bool) -> str:
    """Return the page as of `now`, in seconds since the epoch."""
    by_account: dict[str, list[Row]] = {account.id: [] for account in accounts}
    for row in rows:
        by_account[row.snapshot.target.key.account_id].append(row)
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


def _verdict(rows: Sequence[Row]) -> str:
    failing = _failing(rows)
    waiting = _waiting(rows)
    if failing:
        return f'<strong class="bad">{failing} of {len(rows)} polls failing</strong>'
    if waiting:
        return f'<strong class="warn">{waiting} of {len(rows)} first polls under way</strong>'
    return f'<strong class="good">All {len(rows)} polls good</strong>'


def _failing(rows: Iterable[Row]) -> int:
    return sum(row.snapshot.failure is not None for row in rows)


def _waiting(rows: Iterable[Row]) -> int:
    return sum(row.snapshot.polled_at is None for row in rows)


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
    people = _people(rows)
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
{"".join(_target(row, now) for row in rows)}</ul>
"""


def _people(rows: Iterable[Row]) -> UsersSummary | None:
    summaries = (row.snapshot.summary for row in rows if row.fresh)
    return next((summary for summary in summaries if isinstance(summary, UsersSummary)), None)


def _seats(people: UsersSummary, limit: int | None) -> str:
    numbers = [("Users", sum(people.users.values())), ("Active devices", people.active_devices)]
    numbers += [
        ("Logged in within 7 days", people.users_logged_in["7d"]),
        ("Seats never used", people.seats_never_used),
    ]
    numbers += [(f"Idle for {days} days", sum(by.values())) for days, by in list(people.seats_idle.items())[-1:]]
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
    snapshot = row.snapshot
    key = snapshot.target.key
    name = "Users" if key.collector == users.NAME else f"Policy test {_text(key.target)}"
    return f"<li><strong>{name}</strong> {'<br>'.join(_state(row, now))}</li>\n"


def _state(row: Row, now: float) -> Iterator[str]:
    snapshot = row.snapshot
    if snapshot.polled_at is None:
        yield '<span class="warn">first poll under way</span>'
    elif snapshot.failure is not None:
        yield f'<span class="bad">poll failed ({snapshot.failure.reason})</span>'
        yield f'<span class="bad">{_text(str(snapshot.failure))}</span>'
    else:
        yield '<span class="good">polled</span>'
    if row.fresh and isinstance(snapshot.summary, PolicyTestSummary):
        yield _result(snapshot.summary)
    if row.fresh and isinstance(snapshot.summary, FreshSummary):
        yield _result(snapshot.summary.shown)
        yield _since_the_test_before(snapshot.summary)
    yield f'<span class="when">{_times(row, now)}</span>'


def _result(test: PolicyTestSummary) -> str:
    words = [_text(test.status or "no status")]
    if test.processed_ratio is not None and test.status == "processing":
        words.append(f"{test.processed_ratio:.0%} done")
    # A number stays with its word where the line ends.
    words += [
        f"{number:,}\N{NO-BREAK SPACE}{status}"
        for status, number in (test.users or {}).items()
        if number or status != "unknown"
    ]
    return ", ".join(words)


def _since_the_test_before(summary: FreshSummary) -> str:
    changes = [f"{number:,} {change.replace('_', ' ')}" for change, number in (summary.changed or {}).items() if number]
    if summary.changed is None:
        return '<span class="when">no test before to compare with</span>'
    return f"since the test before: {', '.join(changes) or 'no changes'}"


def _times(row: Row, now: float) -> str:
    snapshot = row.snapshot
    words = [f"every {_span(snapshot.target.interval)}"]
    if snapshot.polled_at is not None:
        words.insert(0, f"last poll {_span(now - snapshot.polled_at)} ago")
    if snapshot.succeeded_at is None:
        words.append("no numbers yet")
    elif not row.fresh:
        words.append(f"numbers withdrawn: older than {_span(snapshot.target.stale_after)}")
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
