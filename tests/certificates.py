"""Certificates for tests, made with the command `openssl`."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = "[req]\ndistinguished_name = subject\n[subject]\n"


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM."""

    cert: Path
    key: Path

    @property
    def files(self) -> tuple[str, str]:
        return str(self.cert), str(self.key)


class Authority:
    """A certificate authority of its own in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        """Make its key and certificate."""
        self._folder = folder
        self._config = folder / "openssl.cnf"
        self._config.write_text(CONFIG, encoding="utf-8")
        self._own = self._made(name, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        self.cert = self._own.cert

    def issue(self, name: str) -> Certificate:
        """Sign a new certificate, good for a server on the loopback interface and for a client."""
        signed = ("-CA", str(self._own.cert), "-CAkey", str(self._own.key))
        extensions = (
            "basicConstraints=critical,CA:FALSE",
            "subjectAltName=IP:127.0.0.1",
            "authorityKeyIdentifier=keyid",
        )
        return self._made(name, *extensions, options=signed)

    def _made(self, name: str, *extensions: str, options: tuple[str, ...] = ()) -> Certificate:
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-config", str(self._config), "-subj", f"/CN={name}", "-out", str(made.cert), "-keyout", str(made.key)),
            *(word for extension in extensions for word in ("-addext", extension)),
            *options,
        )
        return made

    def client_context(self) -> ssl.SSLContext:
        """Return what a client needs that trusts this authority."""
        return ssl.create_default_context(cafile=self.cert)


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `openssl` without a terminal to ask at."""
    return subprocess.run(
        ["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True
    )
