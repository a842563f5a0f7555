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
    """Cloudflare with canned answers; every other request fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Cloudflare(mock)


@pytest.fixture
def bench() -> Any:
    """Makes a bench, and stops its servers in the end."""
    made: list[Bench] = []

    def make(*lives: Life, **options: Any) -> Bench:
        made.append(Bench(*lives, **options))
        return made[-1]

    yield make
    for each in made:
        each.server.stop()


@pytest.fixture
def discover() -> Iterator[Any]:
    """Makes an exporter that discovers applications, and stops its servers in the end."""
    made: list[Discovery] = []

    def make(*applications: dict[str, Any], **options: Any) -> Discovery:
        made.append(Discovery(*applications, **options))
        return made[-1]

    yield make
    for each in made:
        each.server.stop()
