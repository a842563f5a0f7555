"""Says how often the client retries a request, and how long it waits before each retry."""

import urllib3
from urllib3.util import Retry

from access_exporter.errors import RetryableError

# Three retries after 0.5, 1 and 2 seconds, each delayed by up to half a second more. The `increment` skips the first
# step of Retry, which has no wait.
TRIES = Retry(total=4, backoff_factor=0.25, backoff_jitter=0.5).increment("GET")


def wait(failure: RetryableError, tries: Retry) -> float:
    """Return the seconds to wait before the next try. A Retry-After can only lengthen the wait, never shorten it."""
    return max(tries.get_backoff_time(), failure.retry_after or 0)


def next_try(tries: Retry) -> Retry:
    """Return the tries that are left after one more failure."""
    try:
        return tries.increment("GET")
    except urllib3.exceptions.MaxRetryError:
        return tries.new(total=-1)
