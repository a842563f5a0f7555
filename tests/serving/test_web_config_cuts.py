"""A web configuration that was cut somewhere, as by a full disk."""

from pathlib import Path

from access_exporter.errors import ConfigError
from access_exporter.serving import web_config
from tests.serving.web_files import HASH

WHOLE = f"""\
http_server_config:
  headers:
    X-Frame-Options: DENY
basic_auth_users:
  alice: {HASH}
  bob: {HASH}
auth_excluded_paths:
  - /-/healthy
  - /-/ready
"""


def test_every_cut_of_a_file(tmp_path: Path) -> None:
    """Wherever a file is cut, it is refused, or still asks for a password, and excludes no page."""
    web = tmp_path / "web.yaml"
    loaded = 0
    for length in range(len(WHOLE)):
        web.write_text(WHOLE[:length], encoding="utf-8")
        try:
            config = web_config.load(str(web))
        except ConfigError:
            continue
        loaded += 1
        assert "alice" in config.basic_auth_users
        assert not {"/", "/metrics"} & set(config.auth_excluded_paths)
    assert loaded
