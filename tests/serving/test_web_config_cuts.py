"""A web configuration that was cut somewhere, as by a full disk."""

from contextlib import suppress
from pathlib import Path

import pytest

from access_exporter.errors import ConfigError
from access_exporter.serving import web_config
from access_exporter.serving.web_config import WebConfig
from tests.serving.web_files import HASH

WHOLE = f"""\
basic_auth_users:
  alice: {HASH}
  bob: {HASH}
auth_excluded_paths:
  - /-/healthy
  - /-/ready
http_server_config:
  headers:
    X-Frame-Options: deny
rate_limit:
  interval: 1s
  burst: 20
"""


# What protects comes last here: a cut at the end of a line can leave a file that is well formed and protects nothing.
LATE = f"""\
http_server_config:
  headers:
    Content-Security-Policy: default-src 'self'
rate_limit:
  interval: 1s
  burst: 20
basic_auth_users:
  alice: {HASH}
"""


@pytest.mark.parametrize("whole", [WHOLE, LATE])
def test_every_cut_of_a_file(tmp_path: Path, whole: str) -> None:
    """Wherever a file is cut, it is refused, or still asks for a password, and excludes no page."""
    configs = loaded(tmp_path / "web.yaml", whole)
    assert configs
    for config in configs:
        assert "alice" in config.basic_auth_users
        assert not {"/", "/metrics"} & set(config.auth_excluded_paths)


def loaded(web: Path, content: str) -> list[WebConfig]:
    """Return what could be loaded of all the beginnings of a file."""
    found = []
    for length in range(len(content) + 1):
        web.write_text(content[:length], encoding="utf-8")
        with suppress(ConfigError):
            found.append(web_config.load(str(web)))
    return found
