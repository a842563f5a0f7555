from collections.abc import Iterator
from typing import Any

import pytest
import responses

from access_exporter.simulator.account import Life
from tests.collectors.cloudflare import Cloudflare
from tests.collectors.discovering import Discovery
from tests.collectors.starting import Bench


@pytest.fixture
def cloudflare() -> Iterator[Cloudflare]:
    """Return Cloudflare with prepared responses; every other request fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Cloudflare(mock)


@pytest.fixture
def bench() -> Any:
    """Return a function that makes a bench, and stop the servers after the test."""
    made: list[Bench] = []

    def make(*lives: Life, **options: Any) -> Bench:
        made.append(Bench(*lives, **options))
        return made[-1]

    yield make
    for each in made:
        each.server.stop()


@pytest.fixture
def discover() -> Iterator[Any]:
    """Return a function that makes an exporter with discovery, and stop the servers after the test."""
    made: list[Discovery] = []

    def make(*applications: dict[str, Any], **options: Any) -> Discovery:
        made.append(Discovery(*applications, **options))
        return made[-1]

    yield make
    for each in made:
        each.server.stop()
