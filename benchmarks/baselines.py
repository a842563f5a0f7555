"""The alternatives to the exporter, each in its own process: python -m benchmarks.baselines WHAT ARGUMENT.

sdk URL         iterates over the users with Cloudflare's own SDK, once for each line of the input
download URL    downloads the same pages with requests and discards them, once for each line of the input
serve FILE      serves the metric families in a file with prometheus-client's own server
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import prometheus_client
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from benchmarks.cloudflare import ACCOUNT_ID, PAGE_SIZE, TOKEN


def sdk(url: str) -> Callable[[], int]:
    """Return a function that iterates over the users with the SDK and counts them."""
    from cloudflare import Cloudflare  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 – only here

    users = Cloudflare(api_token=TOKEN, base_url=url).zero_trust.access.users
    return lambda: sum(1 for _ in users.list(account_id=ACCOUNT_ID, per_page=PAGE_SIZE))


def download(url: str) -> Callable[[], int]:
    """Get the number of pages, and return a function that downloads and counts all pages."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {TOKEN}"
    address = f"{url}/accounts/{ACCOUNT_ID}/access/users"

    def get(page: int) -> requests.Response:
        return session.get(address, params={"page": page, "per_page": PAGE_SIZE})

    pages = range(1, 1 + get(1).json()["result_info"]["total_pages"])
    return lambda: sum(bool(get(page).content) for page in pages)


class _Families(Collector):
    """Metric families that already exist, so that the registry itself takes almost no CPU time."""

    def __init__(self, page: str) -> None:
        self._families = list(text_string_to_metric_families(page))

    def collect(self) -> Iterable[prometheus_client.Metric]:
        return self._families


def serve(path: str) -> Callable[[], int]:
    """Serve the metric families in a file; return a function that returns the port."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(_Families(Path(path).read_text(encoding="utf-8")))
    port: int = prometheus_client.start_http_server(0, "127.0.0.1", registry)[0].server_port
    return lambda: port


def main(what: str, argument: str) -> None:
    """Run the chosen alternative once for each line of the input, and print its result."""
    do = {"sdk": sdk, "download": download, "serve": serve}[what](argument)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(do(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
