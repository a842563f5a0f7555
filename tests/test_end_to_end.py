"""The real process with its simulated account, and the HTTP requests that Prometheus sends."""

import gzip
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
import requests
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from access_exporter import simulator
from tests.processes import Exporter, exporter

PROMETHEUS_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

UNITS = ("seconds", "bytes", "ratio")


@pytest.fixture(scope="module")
def demo() -> Iterator[Exporter]:
    with exporter("--demo") as running:
        for _ in range(running.wait_for("configuration loaded")["targets"]):
            running.wait_for("poll succeeded")
        running.drain()
        yield running


def values(families: list[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def scrape(running: Exporter, **headers: str) -> requests.Response:
    return requests.get(f"{running.url}/metrics", headers=headers, timeout=10)


def test_text_format_is_parsed_and_adds_up(demo: Exporter) -> None:
    """prometheus-client parses the text format, and the users by seat add up to the seats used."""
    answer = scrape(demo)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = values(list(parse_text(answer.text)))
    account = ("account_id", simulator.DEMO.account_id)
    by_seat = {
        seat: found["cloudflare_access_users", (account, ("seat", seat))] for seat in ("access", "gateway", "both")
    }
    assert sum(by_seat.values()) == found["cloudflare_access_seats_used", (account,)] > 0
    assert found["cloudflare_access_seats_limit", (account,)] == simulator.DEMO.seat_limit


def test_openmetrics_has_the_same_series_as_text(demo: Exporter) -> None:
    """Prometheus's Accept header gets OpenMetrics, with the same time series as the text format."""
    before = in_text = None
    while before is None or before != in_text:  # repeat if a poll ended between the scrapes
        before = values(list(parse_text(scrape(demo).text))).keys()
        answer = scrape(demo, accept=PROMETHEUS_ACCEPT)
        in_text = values(list(parse_text(scrape(demo).text))).keys()
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    in_openmetrics = values(list(parse_openmetrics(answer.text)))  # type: ignore[no-untyped-call]  # it has no types
    assert in_openmetrics.keys() == in_text


def test_openmetrics_states_units(demo: Exporter) -> None:
    """A family with a unit at the end of its name has that unit in OpenMetrics, and no unit in the text format."""
    page = scrape(demo, accept=PROMETHEUS_ACCEPT).text
    families = list(parse_openmetrics(page))  # type: ignore[no-untyped-call]  # it has no types
    measured = {family.name: family.unit for family in families if family.unit}
    assert measured == {family.name: unit for family in families for unit in UNITS if family.name.endswith(f"_{unit}")}
    assert set(measured.values()) == set(UNITS)
    assert measured["process_cpu_seconds"] == "seconds"
    assert measured["cloudflare_access_api_request_duration_seconds"] == "seconds"
    assert "# UNIT" not in scrape(demo).text


def test_no_created_timestamps(demo: Exporter) -> None:
    """Counters and histograms have no `_created` series."""
    for accept in ("", PROMETHEUS_ACCEPT):
        assert "_created" not in scrape(demo, accept=accept).text


def test_too_many_requests_are_counted_from_zero(demo: Exporter) -> None:
    """Each requested endpoint has a 429 counter of 0 at the start, so Prometheus sees the first 429 as an increase."""
    requests_by_code: dict[str, set[str]] = {"200": set(), "429": set()}
    for (name, labels), value in values(list(parse_text(scrape(demo).text))).items():
        if name == "cloudflare_access_api_requests_total":
            told = dict(labels)
            requests_by_code[told["code"]].add(told["endpoint"])
            assert value > 0 or told["code"] == "429"
    assert "users" in requests_by_code["429"]
    assert requests_by_code["200"] <= requests_by_code["429"]


def test_collect_is_not_supported(demo: Exporter) -> None:
    """The exporter ignores `collect[]`, a parameter of other exporters, and serves the whole page."""
    whole = values(list(parse_text(scrape(demo).text))).keys()
    answer = requests.get(f"{demo.url}/metrics", params={"collect[]": "users"}, timeout=10)
    assert answer.status_code == 200
    assert whole <= values(list(parse_text(answer.text))).keys()


def test_promtool_finds_no_error(demo: Exporter) -> None:
    """`promtool check metrics` accepts every name, type and help text."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(demo).content, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_gzip_is_negotiated(demo: Exporter) -> None:
    """A client that accepts gzip gets gzip, and any other client gets plain bytes."""
    with requests.get(f"{demo.url}/metrics", headers={"accept-encoding": "gzip"}, stream=True, timeout=10) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert b"cloudflare_access_seats_used" in gzip.decompress(answer.raw.read())
    assert "content-encoding" not in scrape(demo, **{"accept-encoding": "identity"}).headers


def test_names_restrict_what_is_served(demo: Exporter) -> None:
    """`name[]` restricts the page to the samples with these names, in both formats."""
    names = {"name[]": ["cloudflare_access_seats_used", "cloudflare_access_poll_errors_total"]}
    for accept, parse in (("", parse_text), (PROMETHEUS_ACCEPT, parse_openmetrics)):
        answer = requests.get(f"{demo.url}/metrics", params=names, headers={"accept": accept}, timeout=10)
        assert {name for name, _ in values(list(parse(answer.text)))} == set(names["name[]"])


def test_demo_says_that_it_is_one(demo: Exporter) -> None:
    """The log, account_info and the status page say that the demo is a simulated account."""
    assert any("simulated account" in line for line in demo.lines)
    assert 'account_name="Demo (simulated)"' in scrape(demo).text
    assert "simulated account" in requests.get(demo.url, timeout=10).text


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 200, None),
        ("HEAD", "/", 200, None),
        ("GET", "/metrics", 200, None),
        ("HEAD", "/metrics", 200, None),
        ("GET", "/-/healthy", 200, None),
        ("HEAD", "/-/healthy", 200, None),
        ("GET", "/-/ready", 200, None),
        ("POST", "/-/reload", 403, None),
        ("GET", "/-/reload", 405, "POST"),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("DELETE", "/", 405, "GET, HEAD"),
        ("GET", "/metrics/", 404, None),
        ("GET", "/favicon.ico", 404, None),
        ("GET", "/-/quit", 404, None),
    ],
)
def test_endpoints_answer_as_documented(demo: Exporter, method: str, path: str, status: int, allow: str | None) -> None:
    """Each endpoint answers its documented methods, HEAD has no body, and all other requests are refused."""
    answer = requests.request(method, demo.url + path, timeout=10)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
    if method == "HEAD":
        assert answer.content == b""
        assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signals_end_the_process(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the process with status 0 within five seconds, even with an open connection."""
    with exporter("--demo") as running, socket.create_connection(("127.0.0.1", running.port)) as kept_open:
        kept_open.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept_open.recv(4096).startswith(b"HTTP/1.1 200")
        running.process.send_signal(number)
        assert running.process.wait(timeout=5) == 0
