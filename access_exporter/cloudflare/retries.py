"""How often a request is tried again, and after which wait."""

import urllib3
from urllib3.util import Retry

from access_exporter.errors import RetryableError

# Three more tries after 0.5, 1 and 2 seconds, each up to half a second later; the first step of Retry is no wait.
TRIES = Retry(total=4, backoff_factor=0.25, backoff_jitter=0.5).increment("GET")


def wait(failure: RetryableError, tries: Retry) -> float:
    """Return the seconds to wait before the next of these tries; what the answer asks for only makes that longer."""
    return max(tries.get_backoff_time(), failure.retry_after or 0)


def next_try(tries: Retry) -> Retry:
    """Return the tries that are left after one more."""
    try:
        return tries.increment("GET")
    except urllib3.exceptions.MaxRetryError:
        return tries.new(total=-1)
