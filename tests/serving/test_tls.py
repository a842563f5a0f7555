"""TLS, basic auth and headers of the pages, by real clients of the real process."""

import asyncio
import base64
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import bcrypt
import pytest
import requests

from access_exporter import cli
from access_exporter.commands import healthcheck
from access_exporter.serving import basic_auth
from access_exporter.serving.basic_auth import BasicAuth, Verdict
from access_exporter.serving.web_config import WebSettings
from tests.certificates import Authority
from tests.processes import ROOT, Exporter, exporter
from tests.running_server import connect, everything, pages, serving

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def install(authority: Authority, folder: Path, name: str = "server") -> None:
    made = authority.issue(name)
    shutil.copy(made.cert, folder / "tls.crt")
    shutil.copy(made.key, folder / "tls.key")
    shutil.copy(authority.cert, folder / "ca.crt")


@pytest.fixture(scope="module")
def secured(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("web")
    install(authority, folder)
    config = write(
        folder / "web.yaml",
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key, min_version: TLS13}\n"
        f"basic_auth_users: {{prometheus: '{HASH}'}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n",
    )
    with exporter("--demo", f"--web.config.file={config}") as running:
        running.url = running.url.replace("http:", "https:")
        yield running


def get(running: Exporter, authority: Authority, path: str = "/metrics", **options: object) -> requests.Response:
    return requests.get(running.url + path, verify=str(authority.cert), timeout=10, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"])
def test_everything_asks_for_the_password(secured: Exporter, authority: Authority, path: str) -> None:
    """Without the password every path answers 401 and how to give it, with it the page; headers are always there."""
    refused = get(secured, authority, path)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")
    wrong = get(secured, authority, path, auth=("prometheus", "wrong"))
    unknown = get(secured, authority, path, auth=("nobody", PASSWORD))
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text == refused.text
    admitted = get(secured, authority, path, auth=("prometheus", PASSWORD))
    assert admitted.status_code == (404 if path == "/nothing" else 200)
    assert admitted.headers["x-frame-options"] == refused.headers["x-frame-options"] == "deny"


def test_older_tls_is_refused(secured: Exporter) -> None:
    """With min_version TLS13 a client that speaks at most TLS 1.2 is refused."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", secured.port)) as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection)


def test_tls_1_1_is_always_refused(authority: Authority, tmp_path: Path) -> None:
    """TLS 1.1 is refused by default, with the strongest wish of a real client."""
    install(authority, tmp_path)
    config = write(tmp_path / "web.yaml", "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
    with exporter("--demo", f"--web.config.file={config}") as running:

        def offered(version: str) -> bool:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{running.port}", version]
            cipher = ["-cipher", "ALL:@SECLEVEL=0"]
            talk = subprocess.run([*command, *cipher], input=b"", capture_output=True, timeout=10, check=False)
            return b"BEGIN CERTIFICATE" in talk.stdout

        assert not offered("-tls1_1")
        assert offered("-tls1_2")
        assert offered("-tls1_3")


def test_client_certificates(authority: Authority, tmp_path: Path) -> None:
    """With RequireAndVerifyClientCert only who has a certificate of the authority gets an answer."""
    install(authority, tmp_path)
    client = authority.issue("client")
    stranger = Authority(tmp_path_factory_folder(tmp_path), "stranger").issue("strange")
    config = write(
        tmp_path / "web.yaml",
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key, client_ca_file: ca.crt, "
        "client_auth_type: RequireAndVerifyClientCert}\n",
    )
    with exporter("--demo", f"--web.config.file={config}") as running:
        running.url = running.url.replace("http:", "https:")
        assert get(running, authority, cert=client.files).status_code == 200
        for cert in (None, stranger.files):
            with pytest.raises(requests.ConnectionError):
                get(running, authority, cert=cert)
        assert healthcheck.main([str(running.port)]) == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_is_no_younger(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion
) -> None:
    """A client whose certificate has expired is refused, even where its TLS session was begun before that."""
    issued = authority.issue("client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server").files)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    client = authority.client_context()
    client.load_cert_chain(*issued.files)
    client.minimum_version = client.maximum_version = version

    def ask(port: int, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with client.wrap_socket(connect(port), server_hostname="127.0.0.1", session=session) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.session_reused is (session is not None)
            return everything(connection)[:15], connection.session

    with serving(pages(), lambda: context) as port:
        answer, session = ask(port, None)
        assert answer == ask(port, session)[0] == b"HTTP/1.1 200 OK"
        later = time.time() + 3 * 86400
        monkeypatch.setattr(time, "time", lambda: later)
        with suppress(ssl.SSLError, ConnectionError):
            assert ask(port, session)[0] == b""


def tmp_path_factory_folder(folder: Path) -> Path:
    made = folder / "other"
    made.mkdir()
    return made


def test_certificates_are_picked_up(authority: Authority, tmp_path: Path) -> None:
    """A certificate that is exchanged is used for the next connection; one that cannot be used leaves the old one."""
    install(authority, tmp_path, "first")
    config = write(tmp_path / "web.yaml", "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
    context = authority.client_context()

    def name(port: int) -> str:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname="127.0.0.1") as tls,
        ):
            certificate = tls.getpeercert()
            assert certificate is not None
            return str(dict(part[0] for part in certificate["subject"])["commonName"])  # type: ignore[misc]

    with exporter("--demo", f"--web.config.file={config}") as running:
        assert name(running.port) == "first"
        install(authority, tmp_path, "second")
        assert name(running.port) == "second"
        write(tmp_path / "tls.crt", "no certificate")
        assert name(running.port) == "second"
        assert "tls_server_config.cert_file" in running.wait_for("web configuration not reloaded")["error"]
        install(authority, tmp_path, "third")
        assert name(running.port) == "third"


MISTAKES = {
    "tls_server_config: {cert_file: a}": "tls_server_config.key_file: required, but missing",
    "basic_auth_users: {prometheus: secret-word}": (
        "basic_auth_users: expected a bcrypt hash for user 1, such as `htpasswd -nBC 10 ''` prints"
    ),
    "basic_auth_users: [a]": "basic_auth_users: expected a mapping, got a list",
    "- a": "expected a mapping with the keys tls_server_config, http_server_config, basic_auth_users",
    "http_server_config: {headers: {X-Powered-By: me}}": (
        "http_server_config.headers: the header `X-Powered-By` is not supported; "
        "expected one of Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
        "X-XSS-Protection"
    ),
    'http_server_config: {headers: {X-Frame-Options: "a\\nb"}}': (
        "http_server_config.headers.X-Frame-Options: expected printable ASCII characters, and no space at either end"
    ),
    "tls_server_config: {cert_file: tls.crt, key_file: tls.key, min_version: TLS13, max_version: TLS12}": (
        "tls_server_config.max_version: expected not to be below min_version"
    ),
    "tls_server_config: {cert_file: tls.crt, key_file: tls.key, client_auth_type: RequireAndVerifyClientCert}": (
        "tls_server_config.client_ca_file: required with RequireAndVerifyClientCert, but missing"
    ),
    "tls_server_config: {cert_file: nowhere.crt, key_file: tls.key}": (
        "tls_server_config.cert_file: the file `nowhere.crt` cannot be read: No such file or directory"
    ),
    "tls_server_config: {cert_file: web.yaml, key_file: tls.key}": (
        "tls_server_config.cert_file: expected the certificate in PEM, "
        "and in key_file its key in PEM without a password"
    ),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_one_line(
    text: str, authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake in the file is one line that names file, place and expectation, exit code 1, and no secret."""
    install(authority, tmp_path)
    config = write(tmp_path / "web.yaml", text + "\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 1
    assert capsys.readouterr().err == f"cloudflare-access-exporter: {config}: {MISTAKES[text]}\n"


@pytest.mark.parametrize(
    "key", ["cipher_suites", "curve_preferences", "prefer_server_cipher_suites", "client_allowed_sans", "cert", "key"]
)
def test_unsupported_keys_are_refused_by_name(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key of the exporter-toolkit that is not supported is refused by its name, never passed over."""
    config = write(tmp_path / "web.yaml", f"tls_server_config: {{cert_file: a, key_file: b, {key}: []}}\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 1
    assert f"tls_server_config: unknown key `{key}`" in capsys.readouterr().err


@pytest.mark.parametrize(("key", "value"), [("min_version", "TLS11"), ("client_auth_type", "RequireAnyClientCert")])
def test_unsupported_values_are_refused_by_name(
    key: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that is not supported is refused, with the place it stands at."""
    config = write(tmp_path / "web.yaml", f"tls_server_config: {{cert_file: a, key_file: b, {key}: {value}}}\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 1
    assert f"tls_server_config.{key}: " in capsys.readouterr().err


def test_an_encrypted_key_is_an_error_and_no_question(authority: Authority, tmp_path: Path) -> None:
    """A key with a password is a clear error, even at a terminal."""
    install(authority, tmp_path)
    locked = ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", str(tmp_path / "tls.key")]
    subprocess.run([*locked, "-out", str(tmp_path / "locked.key")], check=True, capture_output=True, timeout=30)
    config = write(tmp_path / "web.yaml", "tls_server_config: {cert_file: tls.crt, key_file: locked.key}\n")
    command = [sys.executable, "exporter.py", "--demo", "--config.check", f"--web.config.file={config}"]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert checked.returncode == 1
    assert "without a password" in checked.stderr


def test_a_check_tells_what_the_web_configuration_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--config.check says that the web configuration was read, and nothing of its secrets."""
    config = write(tmp_path / "web.yaml", f"basic_auth_users: {{prometheus: '{HASH}'}}\n")
    assert cli.main(["--demo", "--config.check", f"--web.config.file={config}"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("web: no TLS, basic auth for 1 users, no headers\n")
    assert HASH not in out


def header(name: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(name + b":" + password).decode()


CLIENT = "192.0.2.1"


def checked(*authorizations: str, users: dict[str, str]) -> tuple[list[Verdict], list[bytes]]:
    """Return the verdicts, and the hashes that bcrypt was asked about."""
    asked = []
    real = bcrypt.checkpw

    def spy(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return real(password, hashed)

    async def run() -> list[Verdict]:
        basic = BasicAuth(users)
        return [await basic.check(authorization, CLIENT) for authorization in authorizations]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", spy)
        return asyncio.run(run()), asked


def test_unknown_users_take_the_path_of_wrong_passwords() -> None:
    """A name that does not exist costs one bcrypt check of a user's hash, always the same, as a wrong password does."""
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    users = {"prometheus": HASH, "other": other}
    tries = [header(b"prometheus", b"wrong"), header(b"nobody", b"wrong"), header(b"nobody", PASSWORD.encode())]
    verdicts, asked = checked(*tries, users=users)
    assert verdicts == [Verdict.REFUSED] * 3
    assert len(asked) == 3
    assert asked[0] == HASH.encode()
    assert asked[1] == asked[2]


def test_what_was_right_is_remembered() -> None:
    """A password that was right once is not checked by bcrypt again; a wrong one always is."""
    right, wrong = header(b"prometheus", PASSWORD.encode()), header(b"prometheus", b"wrong")
    verdicts, asked = checked(right, right, wrong, wrong, right, users={"prometheus": HASH})
    assert verdicts == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.REFUSED, Verdict.REFUSED, Verdict.ADMITTED]
    assert len(asked) == 3


def test_little_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many passwords are remembered, the oldest goes first."""
    monkeypatch.setattr(basic_auth, "MAX_REMEMBERED", 1)
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    tries = [header(b"a", PASSWORD.encode()), header(b"b", b"other"), header(b"a", PASSWORD.encode())]
    assert len(checked(*tries, users={"a": HASH, "b": other})[1]) == 3


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !", "Bearer abc", "Basic bm9jb2xvbg==", "Basic \xff", "Digest username=x"]
)
def test_malformed_headers_are_refused(authorization: str) -> None:
    """A header that is none is refused without bcrypt."""
    assert checked(authorization, users={"prometheus": HASH}) == ([Verdict.REFUSED], [])


@pytest.mark.parametrize("password", [b"", b"\0", b"\xff\xfe", b"a:b", b"x" * 73, b"y" * 5000])
def test_odd_passwords(password: bytes) -> None:
    """Any bytes may be tried as a password; what is right beyond bcrypt's 72 bytes is right."""
    hashed = bcrypt.hashpw(password[:72], bcrypt.gensalt(4)).decode()
    tries = [header(b"prometheus", password), header(b"prometheus", b"not" + password)]
    assert checked(*tries, users={"prometheus": hashed})[0] == [Verdict.ADMITTED, Verdict.REFUSED]


@pytest.mark.parametrize("kind", ["$2a$", "$2b$", "$2y$"])
def test_every_usual_kind_of_hash(kind: str, tmp_path: Path) -> None:
    """The hashes of htpasswd and of every bcrypt library are taken."""
    hashed = kind + HASH[4:]
    config = write(tmp_path / "web.yaml", f"basic_auth_users: {{prometheus: '{hashed}'}}\n")
    assert WebSettings(str(config)).auth is not None
    assert checked(header(b"prometheus", PASSWORD.encode()), users={"prometheus": hashed})[0] == [Verdict.ADMITTED]


def test_only_so_many_checks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """While too many passwords are being checked more are turned away, but who was right before gets in at once."""
    monkeypatch.setattr(basic_auth, "MAX_CHECKS_WAITING", 2)

    async def run() -> tuple[Verdict, Verdict, list[Verdict]]:
        basic = BasicAuth({"prometheus": HASH})
        right = header(b"prometheus", PASSWORD.encode())
        assert await basic.check(right, CLIENT) is Verdict.ADMITTED
        waiting = [asyncio.create_task(basic.check(header(b"x", b"%d" % number), CLIENT)) for number in range(2)]
        await asyncio.sleep(0)
        return (
            await basic.check(header(b"x", b"more"), CLIENT),
            await basic.check(right, CLIENT),
            list(await asyncio.gather(*waiting)),
        )

    assert asyncio.run(run()) == (Verdict.BUSY, Verdict.ADMITTED, [Verdict.REFUSED] * 2)


def test_only_so_many_checks_of_a_client_wait() -> None:
    """Who floods the exporter with wrong passwords is turned away; nobody else is."""

    async def run() -> tuple[Verdict, Verdict, Verdict]:
        basic = BasicAuth({"prometheus": HASH})
        flood = [
            basic.check(header(b"x", b"%d" % number), CLIENT) for number in range(basic_auth.MAX_CHECKS_OF_A_CLIENT)
        ]
        waiting = [asyncio.create_task(check) for check in flood]
        await asyncio.sleep(0)
        right = header(b"prometheus", PASSWORD.encode())
        during = await basic.check(right, CLIENT), await basic.check(right, "192.0.2.2")
        await asyncio.gather(*waiting)
        return *during, await basic.check(header(b"x", b"more"), CLIENT)

    assert asyncio.run(run()) == (Verdict.BUSY, Verdict.ADMITTED, Verdict.REFUSED)


def test_health_check_copes_with_auth_and_tls(secured: Exporter) -> None:
    """The container's health check needs no password and no trust: a living exporter is healthy behind both."""
    assert healthcheck.main([str(secured.port)]) == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 1),
        (b"garbage\r\n\r\n", 1),
        (b"", 1),
    ],
)
def test_health_check_fails_on_anything_else(answer: bytes, code: int) -> None:
    """Only 200, and the 401 of a page behind a password, are healthy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        assert healthcheck.main([str(listener.getsockname()[1])]) == code
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_health_check_finds_the_other_loopback_address() -> None:
    """An exporter that listens on IPv6 only is found, too."""
    with exporter("--demo", "--web.listen-address=[::1]:0") as running:
        assert healthcheck.main([str(running.port)]) == 0


def test_health_check_fails_where_nobody_listens() -> None:
    """A refused connection is not healthy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert healthcheck.main([str(port)]) == 1
