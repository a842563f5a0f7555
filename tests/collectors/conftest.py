from collections.abc import Iterator

import pytest
import responses

from tests.collectors.cloudflare import Cloudflare


@pytest.fixture
def cloudflare() -> Iterator[Cloudflare]:
    """Cloudflare with canned answers; every other request fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Cloudflare(mock)
