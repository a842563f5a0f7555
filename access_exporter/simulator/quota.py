"""Counts how much of the rate limit is left for each secret. It never refuses a request; a test's fault does that."""

import math
import threading

# https://developers.cloudflare.com/fundamentals/api/reference/limits/
_QUOTA, _QUOTA_SECONDS = 1200, 300


class Quotas:
    """Counts the requests of each secret."""

    def __init__(self) -> None:
        self._quotas: dict[str, tuple[float, int]] = {}  # by secret: start of the period, requests in the period
        self._lock = threading.Lock()

    def headers(self, secret: str, now: float) -> dict[str, str]:
        """Count a request at `now`, in Unix seconds. Return the rate-limit headers, with the requests left."""
        with self._lock:
            began, used = self._quotas.get(secret, (now, 0))
            if now >= began + _QUOTA_SECONDS:
                began, used = now, 0
            self._quotas[secret] = began, used + 1
        left = max(0, _QUOTA - used - 1)
        seconds = math.ceil(began + _QUOTA_SECONDS - now)
        return {
            "Ratelimit": f'"default";r={left};t={seconds}',
            "Ratelimit-Policy": f'"default";q={_QUOTA};w={_QUOTA_SECONDS}',
        }
