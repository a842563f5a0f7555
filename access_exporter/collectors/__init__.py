"""Pages of rows in, one frozen summary out, and the summary as metric families: one file per API resource.

`configured` returns the collectors that an account asks for. The summaries are what the status page shows.
"""

from access_exporter.collectors import devices, last_seen, seats, users
from access_exporter.collectors.protocol import AnyCollector, Key, Poll
from access_exporter.collectors.registry import configured
from access_exporter.collectors.users_summary import UsersSummary, UserWithEmail

__all__ = [
    "AnyCollector",
    "Key",
    "Poll",
    "UserWithEmail",
    "UsersSummary",
    "configured",
    "devices",
    "last_seen",
    "seats",
    "users",
]
