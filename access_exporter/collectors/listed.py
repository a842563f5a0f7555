"""What the log and the status page say about a list that contradicts itself."""

import logging
from collections.abc import Iterator

from access_exporter.cloudflare import Found
from access_exporter.collectors.protocol import Key
from access_exporter.logs import facts

log = logging.getLogger(__name__)


def report(key: Key, found: Found, before: Found) -> None:
    """Log how many rows have invalid values, and that the totals contradict the rows, where they did not before."""
    if found.invalid_rows:
        log.warning("rows with invalid values count as unknown", extra=facts(**key._asdict(), rows=found.invalid_rows))
    if found.is_contradicted and not before.is_contradicted:
        numbers = {"listed": found.rows, "announced": found.announced}
        log.warning("total_count differs from the number of rows listed", extra=facts(**key._asdict(), **numbers))


def status(found: Found) -> Iterator[str]:
    """Yield a line where the totals contradict the rows."""
    if found.is_contradicted:
        yield f"{found.rows:,} rows listed, but Cloudflare announces {found.announced:,}"
