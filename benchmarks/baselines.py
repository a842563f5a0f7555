"""What people would use instead, in a process of its own: python -m benchmarks.baselines WHAT ARGUMENT.

sdk URL         iterates the users with Cloudflare's own SDK at each line of the input
download URL    downloads the same pages with requests, and throws them away
serve FILE      serves the families of a page of metrics with prometheus-client's own server
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import prometheus_client
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from benchmarks.cloudflare import PAGE_SIZE, TOKEN

ACCOUNT_ID = "0" * 32


def sdk(url: str) -> Callable[[], int]:
    """Return what iterates the users with the SDK and counts them."""
    from cloudflare import Cloudflare  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 – only here

    users = Cloudflare(api_token=TOKEN, base_url=url).zero_trust.access.users
    return lambda: sum(1 for _ in users.list(account_id=ACCOUNT_ID, per_page=PAGE_SIZE))


def download(url: str) -> Callable[[], int]:
    """Return what downloads every page and counts them; how many there are is asked before."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {TOKEN}"
    address = f"{url}/accounts/{ACCOUNT_ID}/access/users"

    def get(page: int) -> requests.Response:
        return session.get(address, params={"page": page, "per_page": PAGE_SIZE})

    pages = range(1, 1 + get(1).json()["result_info"]["total_pages"])
    return lambda: sum(bool(get(page).content) for page in pages)


class _Families(Collector):
    """Families that are already there: the least work a registry can make for the server."""

    def __init__(self, page: str) -> None:
        self._families = list(text_string_to_metric_families(page))

    def collect(self) -> Iterable[prometheus_client.Metric]:
        return self._families


def serve(path: str) -> Callable[[], int]:
    """Serve the families of the page in a file; what is returned tells the port."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(_Families(Path(path).read_text(encoding="utf-8")))
    port: int = prometheus_client.start_http_server(0, "127.0.0.1", registry)[0].server_port
    return lambda: port


def main(what: str, argument: str) -> None:
    """Do at each line what the command line says, and print what came of it."""
    do = {"sdk": sdk, "download": download, "serve": serve}[what](argument)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(do(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
