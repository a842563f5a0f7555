"""Reports, in the log and on the status page, that a list has invalid rows or that its totals contradict its rows."""

import logging
from collections.abc import Iterator

from access_exporter.cloudflare import Found
from access_exporter.collectors.protocol import Key
from access_exporter.logs import facts

log = logging.getLogger(__name__)


def report(key: Key, found: Found, before: Found) -> None:
    """Log the number of rows with invalid values. Log a contradiction between rows and totals once, when it begins."""
    if found.invalid_rows:
        log.warning("rows with invalid values count as unknown", extra=facts(**key._asdict(), rows=found.invalid_rows))
    if found.is_contradicted and not before.is_contradicted:
        numbers = {"listed": found.rows, "announced": found.announced}
        log.warning("total_count differs from the number of rows listed", extra=facts(**key._asdict(), **numbers))


def status(found: Found) -> Iterator[str]:
    """Yield a line for the status page if the totals contradict the rows."""
    if found.is_contradicted:
        yield f"{found.rows:,} rows listed, but Cloudflare announces {found.announced:,}"
