"""`--web.config.file` with random content."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access_exporter.errors import ConfigError
from access_exporter.serving import web_config
from access_exporter.serving.web_config import WebConfig
from tests.serving.web_files import HASH

PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHunter2hunter2\n-----END PRIVATE KEY-----\n"
SECRETS = ("hunter2hunter2", HASH, PRIVATE_KEY)
_WORDS = (
    *("tls_server_config", "http_server_config", "basic_auth_users", "headers", "X-Frame-Options", "cert_file"),
    *("key_file", "client_ca_file", "client_auth_type", "min_version", "TLS12", "TLS13", "RequireAndVerifyClientCert"),
    *(
        "cert",
        "key",
        "client_ca",
        "client_allowed_sans",
        "cipher_suites",
        "TLS_AES_128_GCM_SHA256",
        "curve_preferences",
    ),
    *("CurveP256", "prefer_server_cipher_suites", "http2", "rate_limit", "interval", "burst", "1s"),
)
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=5)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates().map(str)
    | st.sampled_from([*_WORDS, *SECRETS])
    | st.text()
)
_TREES = st.recursive(
    _SCALARS, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(_KEYS, deeper, max_size=4), max_leaves=12
)
_YAML = st.lists(
    st.sampled_from(
        [
            *_WORDS,
            ": ",
            "- ",
            "\n",
            "\n  ",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&a ",
            "*a",
            "<<",
            "!!binary ",
            "'",
            '"',
            "|\n",
            "? ",
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


class TestFuzz:
    @pytest.mark.fuzz
    @given(st.binary(max_size=200) | _YAML.map(lambda text: text.encode(errors="replace")))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_bytes(self, tmp_path: Path, content: bytes) -> None:
        """A file of random bytes is a valid configuration, or a one-line error that shows no secret."""
        assert_loaded_or_refused(tmp_path / "web.yaml", content)

    @pytest.mark.fuzz
    @given(st.dictionaries(st.sampled_from(WebConfig.__struct_fields__) | _KEYS, _TREES, max_size=4))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_tree(self, tmp_path: Path, tree: object) -> None:
        """A file of random YAML is a valid configuration, or a one-line error that shows no secret."""
        content = yaml.safe_dump(tree, allow_unicode=True, encoding="utf-8")
        assert_loaded_or_refused(tmp_path / "web.yaml", content)


def assert_loaded_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        loaded = web_config.load(str(path))
    except ConfigError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert not any(secret in message for secret in SECRETS)
    else:
        assert isinstance(loaded, WebConfig)
