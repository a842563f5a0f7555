"""Chooses the format and encoding that a client prefers, from its Accept and Accept-Encoding headers."""

import re

from prometheus_client.exposition import choose_encoder

from access_exporter.exposition import Format


def negotiate(accept: str) -> tuple[Format, str]:
    """Return the format for an Accept header, and the Content-Type of the response."""
    try:
        content_type = choose_encoder(_first_known(accept))[1]
    except (TypeError, ValueError):  # the version in the header is not a version
        content_type = choose_encoder("")[1]
    content_type = content_type.replace("escaping=dots", "escaping=underscores")  # no name here needs escaping
    if not content_type.startswith("application/openmetrics-text"):
        return Format.TEXT, content_type
    # The exporter writes version 1.0.0, even if the client asks for a newer version.
    return Format.OPENMETRICS, re.sub(r"version=[^;]*", "version=1.0.0", content_type)


def gzip_accepted(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header allows a response in gzip."""
    return any(value.split(";")[0].strip() == "gzip" for value in _preferred(accept_encoding))


def _first_known(accept: str) -> str:
    """Return the most preferred value of an Accept header that is one of the two formats, or an empty string."""
    known = ("application/openmetrics-text", "text/plain")
    return next((value for value in _preferred(accept) if value.split(";")[0].strip() in known), "")


def _preferred(accept: str) -> list[str]:
    """Return the values of a header such as `a;q=0.5, b, c;q=0`: the most preferred first, without those of q=0."""
    values = [(_quality(value), value) for value in accept.split(",")]
    return [value for quality, value in sorted(values, key=lambda pair: -pair[0]) if quality > 0]


def _quality(value: str) -> float:
    given = re.search(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", value, re.IGNORECASE)
    return float(given[1]) if given else 1.0
