"""Content negotiation: the Accept and Accept-Encoding headers decide the format and the compression of the page."""

import pytest

from access_exporter.serving.negotiation import gzip_accepted, negotiate


@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_escaping(kind: str) -> None:
    """The exporter escapes no metric name, so the Content-Type promises no escaping."""
    for escaping in ("dots", "values", "underscores", "allow-utf-8"):
        content_type = negotiate(f"{kind};version=1.0.0;escaping={escaping}")[1]
        assert content_type.startswith(kind)
        assert "dots" not in content_type


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "openmetrics"),
        ("application/openmetrics-text;version=1.0.0;q=0.1, text/plain;q=0.9", "plain"),
        ("application/openmetrics-text;version=1.0.0;q=0", "plain"),
        ("text/plain;version=0.0.4, application/openmetrics-text", "plain"),
        ("*/*", "plain"),
        ("", "plain"),
        (";q=x,,application/openmetrics-text; q=0.2", "openmetrics"),
    ],
)
def test_preferred_format(accept: str, kind: str) -> None:
    """The page has the format that the client prefers, and the text format if the client names neither."""
    assert kind in negotiate(accept)[1]


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [("gzip", True), ("br, gzip;q=0.1", True), ("gzip;q=0", False), ("identity", False), ("", False), ("xgzip", False)],
)
def test_compression(accept_encoding: str, accepted: bool) -> None:
    """The page is compressed only if the client accepts gzip."""
    assert gzip_accepted(accept_encoding) is accepted
