"""Finds the certificate authorities that environment variables name.

The library requests reads the first two variables, and curl reads the last three.
"""

import os
from typing import NamedTuple

# The first variable that is set counts. SSL_CERT_DIR names a folder that `openssl rehash` made; the others name a file.
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Authorities(NamedTuple):
    """A file or folder of certificate authorities, and the variable that names it."""

    variable: str
    path: str


def from_environment() -> Authorities | None:
    """Return the authorities that the environment names; None to trust the authorities that come with requests."""
    named = ((variable, os.environ.get(variable)) for variable in VARIABLES)
    return next((Authorities(variable, path) for variable, path in named if path), None)
