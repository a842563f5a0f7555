"""Which certificate authorities are trusted, by the variables of the environment.

requests knows the first two variables, curl the last three.
"""

import os
from typing import NamedTuple

# The first that is set counts. The last names a folder as `openssl rehash` makes it, the others name a file.
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Authorities(NamedTuple):
    """A file or folder of certificate authorities, and the variable that names it."""

    variable: str
    path: str


def from_environment() -> Authorities | None:
    """Return what the environment names; None where the authorities that come with requests are trusted."""
    named = ((variable, os.environ.get(variable)) for variable in VARIABLES)
    return next((Authorities(variable, path) for variable, path in named if path), None)
