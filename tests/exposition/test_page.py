"""The metrics page and its cache, compared with a page that prometheus-client writes without a cache."""

import asyncio
import gzip
import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import prometheus_client
import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import generate_latest as write_text
from prometheus_client.openmetrics.exposition import generate_latest as write_openmetrics

from access_exporter.collectors.protocol import Key
from access_exporter.errors import NotFoundError
from access_exporter.exposition.families import counter, gauge
from access_exporter.exposition.page import Page, assemble
from access_exporter.exposition.text import Format
from access_exporter.polling.snapshots import Snapshots
from access_exporter.serving import connection
from access_exporter.serving.messages import Request
from access_exporter.serving.routes import Web
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.web_settings import WebSettings
from tests.exposition.plain_page import Plain, Restricted
from tests.fakes import FakeClock, FakeCollector
from tests.running_server import PATIENCE_SECONDS, Asker, serving

STALE_AFTER = 100.0
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
NAMES = [
    "cloudflare_numbers",
    "cloudflare_events_total",
    "cloudflare_access_poll_success",
    "cloudflare_access_poll_errors_total",
    "own_requests_total",
    "own_seconds_bucket",
    "own_seconds_sum",
    "own_seconds",
    "no_such_metric",
]

# The summary of a target: texts that become labels, each with a number, or with None if that is unknown.
Summary = list[tuple[str, float | None]]
# Seconds that pass, or a poll: the number of its target and its summary, which is None after a failure.
Event = float | tuple[int, Summary | None]
summaries = st.lists(st.tuples(st.text(max_size=8), st.none() | st.floats() | st.integers(0, 10**20)), max_size=4)
account_ids = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3, unique=True)
# A poll of a target succeeds, a poll fails, or time passes.
events = st.lists(
    st.tuples(st.integers(0, 2), summaries) | st.tuples(st.integers(0, 2), st.none()) | st.sampled_from([60.0, 101.0]),
    max_size=5,
)


def families(account_id: str, summary: Summary) -> Iterator[Metric]:
    """Yield metrics of two types, with a help text that needs escaping."""
    labels = {"account_id": account_id}
    yield gauge("cloudflare_numbers", 'Backslash \\, "quotes".\nA line.', [(labels | {"x": x}, y) for x, y in summary])
    known = [(labels | {"x": x}, y) for x, y in summary if y is not None]
    yield counter("cloudflare_events_total", "Events.", known)


def target(account_id: str) -> FakeCollector:
    """Return a target that no poller polls."""
    return FakeCollector(
        key=Key(account_id, "users", "users"),
        answer=lambda *_: None,
        shown=lambda summary: families(account_id, summary),
        stale_after=STALE_AFTER,
    )


def own_registry() -> CollectorRegistry:
    """Return a registry with metrics of the exporter itself."""
    registry = CollectorRegistry()
    Gauge("own_size", "Without labels.", registry=registry).set(3)
    Counter("own_requests", "With labels.", ["code"], registry=registry).labels("200").inc()
    Histogram("own_seconds", "With buckets.", ["endpoint"], buckets=(1, 2), registry=registry).labels("a").observe(1.5)
    return registry


def get(web: Web, query: Sequence[tuple[str, str]] = (), **headers: str) -> bytes:
    """Return the body of /metrics."""
    return b"".join(pieces(web, query, **headers))


def pieces(web: Web, query: Sequence[tuple[str, str]] = (), **headers: str) -> list[bytes]:
    """Return the body of /metrics in the pieces that the server sends."""
    return asyncio.run(answer(web, "/metrics", query, **headers))


async def answer(web: Web, path: str, query: Sequence[tuple[str, str]] = (), **headers: str) -> list[bytes]:
    """Return the body of a response in the pieces that the server sends."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await web.respond(Request("GET", path, urlencode(query), sent, Asker()))
    return list(connection.pieces(response.parts()))


@pytest.fixture(autouse=True)
def _no_created() -> Iterator[None]:
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type here
    yield
    prometheus_client.enable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type here


class BothPages:
    """The cached page and the plain page of the same targets."""

    def __init__(self, account_ids: Sequence[str]) -> None:
        self.clock = FakeClock()
        self.snapshots = Snapshots(self.clock)
        own = own_registry()
        settings = WebSettings(None)
        self.web = Web(
            self.snapshots,
            own,
            StatusPage(self.snapshots, "/metrics", demo=False),
            None,
            metrics_path="/metrics",
            settings=settings,
        )
        self._plain = CollectorRegistry(auto_describe=False)
        self._plain.register(Plain(self.snapshots, own))
        self.targets = [target(account_id) for account_id in account_ids]
        self.snapshots.configure(self.targets)

    def happen(self, event: Event) -> None:
        """Let time pass, or end a poll."""
        if isinstance(event, float):
            self.clock.now += event
            return
        number, summary = event
        polled = self.targets[number % len(self.targets)]
        if summary is None:
            self.snapshots.failed(polled, NotFoundError("gone"), 0.25)
        else:
            self.snapshots.succeeded(polled, summary, 0.5)

    def compare(self) -> None:
        """Check that both pages have equal bytes, in both formats, with and without gzip, whole and in part."""
        for write, accept in ((write_text, "text/plain"), (write_openmetrics, OPENMETRICS)):
            plain = write(self._plain)
            assert get(self.web, accept=accept) == plain
            assert gzip.decompress(get(self.web, accept=accept, accept_encoding="gzip")) == plain
            for names in (NAMES[:2], NAMES[2:6], NAMES[6:]):
                part = write(Restricted(self._plain, names))
                query = [("name[]", name) for name in names]
                assert get(self.web, query, accept=accept) == part
                assert gzip.decompress(get(self.web, query, accept=accept, accept_encoding="gzip")) == part


@settings(max_examples=30)
@given(account_ids=account_ids, events=events)
def test_cached_page_equals_the_plain_page(account_ids: list[str], events: list[Event]) -> None:
    """After polls, failures and pauses in any order, the cached page equals the plain page byte for byte."""
    pages = BothPages(account_ids)
    pages.compare()
    for event in events:
        pages.happen(event)
        pages.compare()


def test_added_and_removed_targets() -> None:
    """If targets are added and removed between scrapes, the page shows exactly the current targets."""
    pages = BothPages(["first", "second"])
    for number, account_id in enumerate(("first", "third")):
        pages.happen((number, [("a", 1.0), ("b", None)]))
        pages.compare()
        pages.targets = [target(account_id), pages.targets[0]][: 2 - number]
        pages.targets = list({each.key: each for each in pages.targets}.values())
        pages.snapshots.configure(pages.targets)
        pages.compare()


def test_pieces() -> None:
    """The server sends a page in pieces of 32 KB, and a smaller page in one piece."""
    for accounts, encoding in ((1, "gzip"), (1, "identity"), (500, "gzip"), (500, "identity")):
        pages = BothPages([str(number) for number in range(accounts)])
        for number in range(accounts):
            pages.happen((number, [("x" * 100, 1.0)]))
        *full, last = pieces(pages.web, accept_encoding=encoding)
        assert {len(piece) for piece in full} <= {32 * 1024}
        assert len(last) <= 32 * 1024


class PausedAssemble:
    """Replaces `assemble`: it counts the calls, and each call waits until the test sets `go_on`."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = threading.Event()

    def __call__(self, *arguments: Any) -> Page:  # Any: passed on unchanged
        self.calls += 1
        assert self.go_on.wait(PATIENCE_SECONDS)
        return assemble(*arguments)


def test_scrapes_share_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrapes that arrive while a page is being made share that page, and do not delay other requests."""
    making = PausedAssemble()
    monkeypatch.setattr("access_exporter.polling.snapshots.assemble", making)
    pages = BothPages(["first"])
    pages.happen((0, [("a", 1.0)]))
    assert making.calls == 0, "no page is made without a scrape"

    async def crowd() -> list[list[bytes]]:
        scrapes = [asyncio.create_task(answer(pages.web, "/metrics")) for _ in range(5)]
        await asyncio.sleep(0)
        assert await answer(pages.web, "/-/healthy") == [b"The exporter is alive.\n"]
        making.go_on.set()
        return await asyncio.gather(*scrapes)

    first, *others = asyncio.run(crowd())
    assert b'cloudflare_numbers{account_id="first",x="a"} 1.0' in b"".join(first)
    assert others == [first] * 4
    assert making.calls == 1
    pages.compare()
    assert making.calls == 2, "one more for the other format"


def test_unchanged_family_is_not_compressed_again() -> None:
    """The next page reuses each family with unchanged samples, so such a family is not compressed again."""
    pages = BothPages(["first", "second"])
    before = pages.snapshots.page(Format.TEXT)
    pages.happen((1, [("a", 1.0)]))
    after = pages.snapshots.page(Format.TEXT)
    same = {header for header, family in after.families.items() if before.families.get(header) is family}
    assert {header.split(b" ")[2] for header in same} == {
        b"cloudflare_access_poll_interval_seconds",
        b"cloudflare_access_poll_errors_total",
    }


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_gzip_readers(accept: str) -> None:
    """Readers of a gzip file, of one gzip member and of a stream, and HTTP clients, all get the whole page."""
    pages = BothPages(["first"])
    pages.happen((0, [("a", 1.0)]))
    plain, compressed = get(pages.web, accept=accept), get(pages.web, accept=accept, accept_encoding="gzip")
    assert gzip.decompress(compressed) == plain
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert b"".join(member.decompress(compressed[at : at + 1]) for at in range(len(compressed))) == plain
    assert member.eof
    assert not member.unused_data
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}
    with serving(pages.web.respond) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        assert requests.get(url, headers=headers, timeout=PATIENCE_SECONDS).content == plain
        assert urllib3.request("GET", url, headers=headers).data == plain
