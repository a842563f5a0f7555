"""Requirements that some machines lack. A test without its requirement is skipped; `.ci/run` checks the reason."""

import socket

import pytest
import yaml


def has_ipv6() -> bool:
    """Return whether the loopback interface has its IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6, which the loopback interface does not have")
libyaml = pytest.mark.skipif(
    not yaml.__with_libyaml__, reason="needs libyaml, which this Python's PyYAML is built without"
)
