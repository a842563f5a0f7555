"""An HTTP client of the simulator."""

from collections.abc import Iterator

import pytest
import requests

from tests.simulator.accounts import BEARER


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """Return a client with the right token."""
    with requests.Session() as session:
        session.trust_env = False  # no proxy between the test and the loopback interface
        session.headers.update(BEARER)
        yield session
