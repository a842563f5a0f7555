"""Certificates that are not valid, or nobody signed, are refused, and said in words."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from access_exporter.simulator import Handler, Simulator
from tests.api_client import POLICY_TEST, Bench, simulator

pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the loopback address with its key, both in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=planted"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path) + ".key", "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("content", [None, "planted"])
def test_no_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    """A file of certificate authorities that is missing, or is none, is named by the variable that names it."""
    path = tmp_path / "authorities.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with simulator() as server:
        message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
    assert message.endswith(": the certificate authorities that REQUESTS_CA_BUNDLE names cannot be used")


class TestTLS:
    @pytest.fixture
    def server(self, certificate: Path) -> Iterator[Simulator]:
        """An account over TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{certificate}.key")
        with simulator(ssl_context=context) as server:
            yield server

    def test_trusted(self, server: Simulator, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate of an authority the environment names is accepted, and the timeout holds over TLS."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        end = threading.Event()

        def drip(handler: Handler) -> None:
            while not end.wait(0.02):
                handler.wfile.write(b"H")

        assert Bench(server.url).rows() == ["0"]
        server.fault = lambda _: drip
        Bench(server.url, timeout=0.15).failure(reason="timeout")
        end.set()

    def test_not_trusted(self, server: Simulator) -> None:
        """A certificate of nobody is refused, before the token is sent."""
        message = Bench(server.url).failure(reason="network")
        assert f"no whole answer of {POLICY_TEST.place}: the certificate of the server is not valid: self" in message
        assert not server.arrivals

    def test_no_tls(self) -> None:
        """A server that does not speak TLS is named as such."""
        with simulator() as server:
            message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: TLS could not be agreed on with the server"
