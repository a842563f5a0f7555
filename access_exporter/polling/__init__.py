"""Polls each collector on schedule, and keeps and stores the summary of its last successful poll."""

from access_exporter.cloudflare import Walked
from access_exporter.polling.history import History
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshot, Snapshots
from access_exporter.polling.storage import Storage

__all__ = ["History", "Poller", "Snapshot", "Snapshots", "Storage", "Walked"]
