"""A web configuration that was cut somewhere, as by a full disk."""

from contextlib import suppress
from pathlib import Path

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


# What protects comes last here, so that a cut at the end of a line can leave a whole file without it.
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


def test_every_cut_of_a_file(tmp_path: Path) -> None:
    """Wherever a file is cut that begins with users, it is refused, or still asks for a password everywhere."""
    configs = loaded(tmp_path / "web.yaml", WHOLE)
    assert configs
    for config in configs:
        assert "alice" in config.basic_auth_users
        assert not {"/", "/metrics"} & set(config.auth_excluded_paths)


def test_a_cut_before_the_users(tmp_path: Path) -> None:
    """A file that is cut inside a line opens nothing, and one that is cut between lines warns that it does."""
    configs = loaded(tmp_path / "web.yaml", LATE)
    opened = [config for config in configs if not config.protects]
    assert len(opened) < len(LATE.splitlines())
    for config in opened:
        assert "nothing is protected: there is neither tls_server_config nor basic_auth_users" in config.warnings()


def loaded(web: Path, content: str) -> list[WebConfig]:
    """Return what could be loaded of all the beginnings of a file."""
    found = []
    for length in range(len(content)):
        web.write_text(content[:length], encoding="utf-8")
        with suppress(ConfigError):
            found.append(web_config.load(str(web)))
    return found
