"""A credential and an endpoint in, decoded rows or a PollError out.

Everything that talks to Cloudflare is here: one client for each credential, its rate limit, retries and deadlines.
"""

from access_exporter.cloudflare.client import Client
from access_exporter.cloudflare.clients import Clients
from access_exporter.cloudflare.endpoints import Endpoint, Permission
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.cloudflare.pagination import NOTHING_FOUND, Found, Walk
from access_exporter.cloudflare.progress import Walked, WalkProgress

__all__ = [
    "NOTHING_FOUND",
    "Client",
    "Clients",
    "Endpoint",
    "Found",
    "Permission",
    "RequestMetrics",
    "Walk",
    "WalkProgress",
    "Walked",
]
