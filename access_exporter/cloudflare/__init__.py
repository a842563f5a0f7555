"""Sends requests to Cloudflare, and returns decoded rows or raises a PollError.

Only this folder talks to Cloudflare. Each credential has one client, with a rate limit, retries and deadlines.
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
