"""Pages of rows in, one frozen summary out, and the summary as metric families: one file per API resource.

`configured` returns the collectors that an account asks for. The summaries are what the status page shows.
`policy_preview` tests policies before they are saved.
"""

from access_exporter.collectors import devices, last_seen, policy_preview, seats, users, users_summary
from access_exporter.collectors.protocol import AnyCollector, Key, Poll
from access_exporter.collectors.registry import configured

__all__ = [
    "AnyCollector",
    "Key",
    "Poll",
    "configured",
    "devices",
    "last_seen",
    "policy_preview",
    "seats",
    "users",
    "users_summary",
]
