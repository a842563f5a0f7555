"""Pages of rows in, one frozen summary out, and the summary as metric families: one file per API resource.

`configured` returns the collectors that an account asks for. The summaries are what the status page shows.
`ApplicationList` reads the applications and reusable policies of an account.
"""

from access_exporter.collectors import devices, last_seen, seats, users, users_summary
from access_exporter.collectors.application_list import ApplicationList
from access_exporter.collectors.protocol import AnyCollector, Key, Poll
from access_exporter.collectors.registry import configured

__all__ = [
    "AnyCollector",
    "ApplicationList",
    "Key",
    "Poll",
    "configured",
    "devices",
    "last_seen",
    "seats",
    "users",
    "users_summary",
]
