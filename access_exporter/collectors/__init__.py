"""Turns pages of rows into one frozen summary, and the summary into metric families: one file per API resource.

`configured` yields the collectors that the configuration of an account asks for. The status page reads the summaries.
`policy_preview` tests policies before someone saves them.
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
