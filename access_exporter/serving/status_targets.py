"""The targets of an account on the status page: the state of each poll and its result."""

from collections.abc import Iterator, Sequence

from access_exporter.polling import Walked
from access_exporter.serving.status_accounts import Row
from access_exporter.serving.status_drawings import bar
from access_exporter.serving.status_text import age, span, text

_POLICY_TESTS = "policy_tests"
# The place of a target in the list, by its state.
_FAILED, _WARNED, _OTHER, _CHANGED, _UNCHANGED = range(5)


def targets(rows: Sequence[Row], now: float) -> str:
    """Return the list of an account's targets: failed polls first, then warnings; policy tests last."""
    lines = "".join(_target(row, now) for row in sorted(rows, key=_rank))
    return f'<ul class="targets">\n{lines}</ul>'


def _rank(row: Row) -> int:
    snapshot = row.snapshot
    if snapshot.failure is not None and not snapshot.collector.is_optional:
        return _FAILED
    if _warning(row):
        return _WARNED
    if snapshot.collector.key.collector != _POLICY_TESTS:
        return _OTHER
    return _CHANGED if _change(row) else _UNCHANGED


def _warning(row: Row) -> str | None:
    return row.snapshot.collector.concern(row.snapshot.summary) if row.fresh else None


def _change(row: Row) -> str | None:
    return "changed" if row.fresh and row.snapshot.collector.has_news(row.snapshot.summary) else None


def _target(row: Row, now: float) -> str:
    collector = row.snapshot.collector
    name = "" if collector.key.target == collector.key.collector else f" {text(collector.key.target)}"
    lines = list(map(text, collector.status(row.snapshot.summary))) if row.fresh else []
    if collector.is_optional and not lines:
        return ""
    state = "" if collector.is_optional else f" {_state(row)}"
    if row.snapshot.failure is not None and not collector.is_optional:
        lines.insert(0, f'<span class="bad">{text(str(row.snapshot.failure))}</span>')
    progress = _progress(row.walked) if row.is_waiting and row.walked else ""
    said = progress + "".join(f"<p>{line}</p>" for line in lines)
    when = "" if collector.is_optional else f'<p class="when">{_times(row, now)}</p>'
    return f"<li><h3>{collector.title}{name}{state}</h3>\n{said}{when}</li>\n"


def _state(row: Row) -> str:
    snapshot = row.snapshot
    if row.is_waiting:
        return _label("warn", "first poll under way")
    if snapshot.failure is not None:
        return _label("bad", f"poll failed ({snapshot.failure.reason})")
    remark = _warning(row) or _change(row)
    return _label("warn", remark) if remark else _label("good", "polled")


def _label(level: str, words: str) -> str:
    return f'<span class="label {level}">{words}</span>'


def _walked(walked: Walked) -> str:
    """Return the progress of a poll in words: pages read, pages expected, time left."""
    if walked.expected is None or walked.remaining is None:
        return "1 page read" if walked.pages == 1 else f"{walked.pages:,} pages read"
    rest = f", about {span(walked.remaining)} left" if walked.pages < walked.expected else ""
    return f"{walked.pages:,} of {walked.expected:,} pages read{rest}"


def _progress(walked: Walked) -> str:
    """Return the progress of a first poll, with a bar if the number of pages is known."""
    drawn = bar("calm", walked.pages, walked.expected, 'aria-hidden="true"') if walked.expected else ""
    return f"<p>{_walked(walked)}</p>{drawn}"


def _times(row: Row, now: float) -> str:
    """Return the times of a target. A line breaks between them, rather than between a number and its unit."""
    *others, last = _each_time(row, now)
    return "".join((*(f"<span>{each}&nbsp;·</span> " for each in others), f"<span>{last}</span>"))


def _each_time(row: Row, now: float) -> Iterator[str]:
    snapshot = row.snapshot
    if snapshot.polled_at is not None:
        yield f"last poll {age(snapshot.polled_at, now)}"
    yield f"every {span(snapshot.collector.interval)}"
    if snapshot.failure is not None and row.walked:
        yield f"next poll under way: {_walked(row.walked)}"
    if snapshot.succeeded_at is None:
        yield "no numbers yet"
    elif not row.fresh:
        yield f"numbers no longer shown: older than {span(snapshot.collector.stale_after)}"
    elif snapshot.failure is not None:
        yield f"numbers from {age(snapshot.succeeded_at, now)}"
