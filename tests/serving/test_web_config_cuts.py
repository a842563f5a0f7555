"""A truncated web configuration, for example after a full disk."""

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


# Here the users come last: a file truncated at the end of a line can be valid YAML without any protection.
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
def test_truncated_file(tmp_path: Path, whole: str) -> None:
    """A file truncated at any byte is refused, or it still requires a password for every page."""
    configs = loaded(tmp_path / "web.yaml", whole)
    assert configs
    for config in configs:
        assert "alice" in config.basic_auth_users
        assert not {"/", "/metrics"} & set(config.auth_excluded_paths)


def loaded(web: Path, content: str) -> list[WebConfig]:
    """Return the configurations that load from all truncated versions of a file."""
    found = []
    for length in range(len(content) + 1):
        web.write_text(content[:length], encoding="utf-8")
        with suppress(ConfigError):
            found.append(web_config.load(str(web)))
    return found
