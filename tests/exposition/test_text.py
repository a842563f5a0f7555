"""A page put together from pieces that are kept between polls, beside one that the library writes all anew."""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import generate_latest as write_text
from prometheus_client.openmetrics.exposition import generate_latest as write_openmetrics
from prometheus_client.registry import Collector

from access_exporter.collectors.protocol import Key
from access_exporter.errors import NotFoundError
from access_exporter.exposition.families import counter, gauge
from access_exporter.polling.snapshots import Snapshots, _health
from access_exporter.serving.connection import pieces
from access_exporter.serving.messages import Request, Response
from access_exporter.serving.negotiation import gzip_accepted, negotiate
from access_exporter.serving.routes import Web
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.web_config import WebSettings
from tests.fakes import FakeClock, FakeCollector

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
    "nobody_has_this",
]

# What a target counted: a text that becomes a label, and a number, or None where it is not known.
Summary = list[tuple[str, float | None]]
summaries = st.lists(st.tuples(st.text(max_size=8), st.none() | st.floats() | st.integers(0, 10**20)), max_size=4)
account_ids = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3, unique=True)
# What happens: a poll of one of the targets succeeds, or fails, or time passes.
events = st.lists(
    st.tuples(st.integers(0, 2), summaries) | st.tuples(st.integers(0, 2), st.none()) | st.sampled_from([60.0, 101.0]),
    max_size=5,
)


def families(account_id: str, summary: Summary) -> Iterator[Metric]:
    """Metrics of two types, whose help is written with care too."""
    labels = {"account_id": account_id}
    yield gauge("cloudflare_numbers", 'Backslash \\, "quotes".\nA line.', [(labels | {"x": x}, y) for x, y in summary])
    known = [(labels | {"x": x}, y) for x, y in summary if y is not None]
    yield counter("cloudflare_events_total", "Events.", known)


def target(account_id: str) -> FakeCollector:
    """A target that nobody polls."""
    return FakeCollector(
        key=Key(account_id, "users", "users"),
        answer=lambda *_: None,
        shown=lambda summary: families(account_id, summary),
        stale_after=STALE_AFTER,
    )


class Plain(Collector):
    """The same families with nothing kept: made anew each time, all samples of a name in one family."""

    def __init__(self, snapshots: Snapshots, own: CollectorRegistry) -> None:
        self._snapshots = snapshots
        self._own = own

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for family in filter(lambda family: family.samples, self._all()):
            same = merged.setdefault(family.name, family)
            same.samples += [] if same is family else family.samples
        return merged.values()

    def _all(self) -> Iterator[Metric]:
        snapshots = self._snapshots.all()
        for snapshot in snapshots:
            if self._snapshots.is_fresh(snapshot):
                yield from snapshot.collector.families(snapshot.summary)
        for snapshot in snapshots:
            yield from _health(snapshot)
        yield from self._own.collect()


def own_registry() -> CollectorRegistry:
    """What the exporter counts of itself."""
    registry = CollectorRegistry()
    Gauge("own_size", "Without labels.", registry=registry).set(3)
    Counter("own_requests", "With labels.", ["code"], registry=registry).labels("200").inc()
    Histogram("own_seconds", "With buckets.", ["endpoint"], buckets=(1, 2), registry=registry).labels("a").observe(1.5)
    return registry


def get(web: Web, query: Mapping[str, list[str]] = MappingProxyType({}), **headers: str) -> bytes:
    """The body of /metrics."""
    return b"".join(parts(web, query, **headers))


def parts(web: Web, query: Mapping[str, list[str]] = MappingProxyType({}), **headers: str) -> tuple[bytes, ...]:
    """The body of /metrics as it is given to the server."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request("GET", "/metrics", query, sent, "192.0.2.1")
    with pytest.raises(StopIteration) as ended:  # the end of a coroutine that waits for nothing
        web.respond(request).send(None)
    response: Response = ended.value.value
    return response.parts()


@pytest.fixture(autouse=True)
def _no_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.metrics._use_created", False)


class Beside:
    """The optimised page and the plain one, of the same targets."""

    def __init__(self, account_ids: Sequence[str]) -> None:
        self.clock = FakeClock()
        self.snapshots = Snapshots(self.clock)
        own = own_registry()
        settings = WebSettings(None)
        self.web = Web(
            self.snapshots,
            own,
            StatusPage(self.snapshots, self.clock, "/metrics", demo=False),
            None,
            metrics_path="/metrics",
            settings=settings,
        )
        self._plain = CollectorRegistry(auto_describe=False)
        self._plain.register(Plain(self.snapshots, own))
        self.targets = [target(account_id) for account_id in account_ids]
        self.snapshots.configure(self.targets)

    def happen(self, event: Any) -> None:
        """Let time pass, or a poll end."""
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
        """Both formats, compressed and not, whole and in part, to the byte."""
        for write, accept in ((write_text, "text/plain"), (write_openmetrics, OPENMETRICS)):
            plain = write(self._plain)
            assert get(self.web, accept=accept) == plain
            assert gzip.decompress(get(self.web, accept=accept, accept_encoding="gzip")) == plain
            for names in (NAMES[:2], NAMES[2:6], NAMES[6:]):
                part = write(Restricted(self._plain, names))
                query = {"name[]": names}
                assert get(self.web, query, accept=accept) == part
                assert gzip.decompress(get(self.web, query, accept=accept, accept_encoding="gzip")) == part


@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_escaping(kind: str) -> None:
    """No name is escaped, and so no escaping is claimed that would change one."""
    for escaping in ("dots", "values", "underscores", "allow-utf-8"):
        content_type = negotiate(f"{kind};version=1.0.0;escaping={escaping}")[1]
        assert content_type.startswith(kind)
        assert "dots" not in content_type


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "openmetrics"),
        ("application/openmetrics-text;version=1.0.0;q=0.1, text/plain;q=0.9", "plain"),
        ("application/openmetrics-text;version=1.0.0;q=0", "plain"),
        ("text/plain;version=0.0.4, application/openmetrics-text", "plain"),
        ("*/*", "plain"),
        ("", "plain"),
        (";q=x,,application/openmetrics-text; q=0.2", "openmetrics"),
    ],
)
def test_what_is_preferred(accept: str, kind: str) -> None:
    """The format is the one that the client prefers of the two, and the text format where it says nothing of them."""
    assert kind in negotiate(accept)[1]


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [("gzip", True), ("br, gzip;q=0.1", True), ("gzip;q=0", False), ("identity", False), ("", False), ("xgzip", False)],
)
def test_what_may_be_compressed(accept_encoding: str, accepted: bool) -> None:
    """A page is compressed for whoever says so, and not for whoever refuses it."""
    assert gzip_accepted(accept_encoding) is accepted


class Restricted(CollectorRegistry):
    """Only the samples of these names, by the library's own way of leaving the others out."""

    def __init__(self, registry: CollectorRegistry, names: Sequence[str]) -> None:
        super().__init__()
        self._registry = registry
        self._names = names

    def collect(self) -> Iterable[Metric]:
        found = (family._restricted_metric(self._names) for family in self._registry.collect())  # type: ignore[no-untyped-call]
        return [family for family in found if family]


@settings(max_examples=30)
@given(account_ids=account_ids, events=events)
def test_every_page_is_what_the_library_writes_of_the_same_families(account_ids: list[str], events: list[Any]) -> None:
    """Whatever was polled, failed or grew old, in whatever order, each page is the plain one to the byte."""
    pages = Beside(account_ids)
    pages.compare()
    for event in events:
        pages.happen(event)
        pages.compare()


def test_every_page_follows_the_configuration() -> None:
    """Targets that come and go, and scrapes between them, leave nothing behind and miss nothing."""
    pages = Beside(["first", "second"])
    for number, account_id in enumerate(("first", "third")):
        pages.happen((number, [("a", 1.0), ("b", None)]))
        pages.compare()
        pages.targets = [target(account_id), pages.targets[0]][: 2 - number]
        pages.targets = list({each.key: each for each in pages.targets}.values())
        pages.snapshots.configure(pages.targets)
        pages.compare()


def test_pieces() -> None:
    """A page leaves in pieces of 32 KB, whatever parts it is made of, and a smaller one in a single piece."""
    for accounts, encoding in ((1, "gzip"), (1, "identity"), (500, "gzip"), (500, "identity")):
        pages = Beside([str(number) for number in range(accounts)])
        for number in range(accounts):
            pages.happen((number, [("x" * 100, 1.0)]))
        *full, last = pieces(parts(pages.web, accept_encoding=encoding))
        assert {len(piece) for piece in full} <= {32 * 1024}
        assert len(last) <= 32 * 1024
