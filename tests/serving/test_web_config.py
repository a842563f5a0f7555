"""`--web.config.file`: errors and their messages, and what --config.check prints for valid files."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from access_exporter import cli
from tests.processes import ROOT
from tests.serving.web_files import HASH, PEM, refuses, tls

HEADERS = (
    "expected one of Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
    "X-XSS-Protection"
)
CUT = "expected a value; the file may be truncated"
LEAVE_OUT = "to serve without protection, remove the flag --web.config.file"
OPEN = f"expected tls_server_config or basic_auth_users: nothing is protected; {LEAVE_OUT}"
USERS = f"basic_auth_users: {{alice: '{HASH}'}}\n"
FRAME, SNIFF = "http_server_config.headers.X-Frame-Options", "http_server_config.headers.X-Content-Type-Options"
BCRYPT = "basic_auth_users: expected a bcrypt hash for user 1, such as `htpasswd -nBC 10 ''` prints"


ERRORS = [
    # Files that are no web configuration.
    (
        "- a\n",
        "expected a mapping with the keys tls_server_config, http_server_config, basic_auth_users, "
        "auth_excluded_paths, rate_limit",
    ),
    ("tls_server_config: [\n", "line 2: expected valid YAML: expected the node content, but found '<stream end>'"),
    ("a: b\0", "line 1: expected no control character, got U+0000"),
    ("basic_auth_users: {alice: a, alice: b}", "line 1: duplicate key"),
    ("basic_auth_users: {a b: c}", "line 1: expected a key that is a plain word, such as `users`"),
    ("!!python/name:os.system x", "line 1: expected no tag (`!name`); put a string that begins with ! or = in quotes"),
    ("[" * 1500, "line 1: expected at most 50 levels of nesting"),
    ("tls_server_config: 3", "tls_server_config: expected a mapping, got a whole number"),
    # Empty or truncated files: without this error, the exporter would serve without protection.
    ("", f"the file is empty; {LEAVE_OUT}"),
    ("# TLS and users\n\n", f"the file is empty; {LEAVE_OUT}"),
    ("---\n", f"the file is empty; {LEAVE_OUT}"),
    ("{}\n", OPEN),
    ("http_server_config: {headers: {}}\n", OPEN),
    ("auth_excluded_paths: []\n", OPEN),
    ("http_server_config: {headers: {X-Frame-Options: deny}}\n", OPEN),
    ("http_server_config: {http2: false}\n", OPEN),
    ("rate_limit: {interval: 0, burst: 0}\n", OPEN),
    *(
        (content + f"{key}: {nothing}\n", f"{key}: {CUT}")
        for key in ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
        for nothing in ("", "{}", "null", "~")
        for content in ("", USERS if key != "basic_auth_users" else tls())
    ),
    (USERS + "auth_excluded_paths:\n", f"auth_excluded_paths: {CUT}"),
    *(
        (
            f"tls_server_config: {{cert_file: server.pem, key_file: server.key, {key}: }}",
            f"tls_server_config.{key}: {CUT}",
        )
        for key in ("client_ca_file", "client_auth_type", "min_version", "max_version")
    ),
    ("tls_server_config: {cert_file: server.pem, key_file: }", f"tls_server_config.key_file: {CUT}"),
    (tls() + "http_server_config: {headers: }\n", f"http_server_config.headers: {CUT}"),
    # Paths that need no password.
    *(
        (
            USERS + f"auth_excluded_paths: [/-/ready, {path}]",
            "auth_excluded_paths[1]: expected a path such as /-/healthy; / is not allowed",
        )
        for path in ("/", "metrics", "''", "'/-/healthy?a'", "'/a b'", "'/%2d/healthy'", "/*")
    ),
    (tls() + "auth_excluded_paths: [/-/healthy]", "auth_excluded_paths: expected basic_auth_users, too"),
    (USERS + "auth_excluded_paths: /-/healthy", "auth_excluded_paths: expected a list, got a string"),
    # Users and headers.
    ("basic_auth_users: [alice]", "basic_auth_users: expected a mapping, got a list"),
    ("basic_auth_users: {alice: }", "basic_auth_users[...]: expected a string, got nothing"),
    ("basic_auth_users: {alice: secret}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH[:-1]}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('$2b', '$2x')}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('$04', '$03')}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('$04', '$32')}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('XDTO', 'XDTA')}}}", BCRYPT),  # no salt of 128 bits ends like that
    *(
        (
            f"basic_auth_users: {{alice: {HASH.replace('$04', f'${cost}')}}}",
            f"basic_auth_users: expected a bcrypt cost of at most 16 for user 1, got {cost}",
        )
        for cost in (17, 18, 19, 31)
    ),
    (
        "http_server_config: {headers: {Server: x}}",
        f"http_server_config.headers: the header `Server` is not supported; {HEADERS}",
    ),
    (
        'http_server_config: {headers: {X-Frame-Options: "DENY\\r\\nX: y"}}',
        "http_server_config.headers.X-Frame-Options: expected printable ASCII characters, and no space at either end",
    ),
    *(
        (
            f"http_server_config: {{headers: {{{name}: {value}}}}}",
            f"http_server_config.headers.{name}: expected printable ASCII characters, and no space at either end",
        )
        for name in ("X-Frame-Options", "X-XSS-Protection", "Content-Security-Policy")
        for value in ("'DENY '", '"a\\nb"', '"a\\rb"', "größer")
    ),
    *(
        (
            USERS + f"http_server_config: {{headers: {{X-Frame-Options: {value}}}}}",
            f"{FRAME}: expected deny or sameorigin",
        )
        for value in ("foo", "''", "1", "deny sameorigin", "ALLOW-FROM https://a.example")
    ),
    *(
        (USERS + f"http_server_config: {{headers: {{X-Content-Type-Options: {value}}}}}", f"{SNIFF}: expected nosniff")
        for value in ("sniff", "''", "0")
    ),
    (
        "http_server_config: {headers: {X-XSS-Protection: yes}}",
        "http_server_config.headers[...]: expected a whole number or a string, got true or false",
    ),
    ("http_server_config: {http2: 1}", "http_server_config.http2: expected true or false, got a whole number"),
    # The rate limit.
    *(
        (
            f"rate_limit: {{interval: {value}, burst: 1}}",
            "rate_limit.interval: expected a duration with its unit, such as 500ms, 1s or 1m30s, or 0 for no limit",
        )
        for value in ("5", "-1s", "1d", "1.5", "s", "1 s", "'0x1s'", "1s-", "never")
    ),
    (
        "rate_limit: {interval: 1s, burst: 1.5}",
        "rate_limit.burst: expected a whole number, got a string",
    ),
    *(
        (
            f"rate_limit: {{interval: 1s, burst: {value}}}",
            "rate_limit.burst: expected a whole number from 0 to 1000000000",
        )
        for value in ("-1", "1" * 400)
    ),
    ("rate_limit: {rate: 1}", "rate_limit: unknown key `rate`; expected one of interval, burst"),
]


class TestErrors:
    @pytest.mark.parametrize(("content", "expected"), ERRORS)
    def test_message(
        self, check: Callable[..., tuple[int, str, str]], folder: Path, content: str, expected: str
    ) -> None:
        """An error in the file is one line on standard error and exit code 1, at a start and with --config.check."""
        refuses(check, folder, content, expected)

    def test_no_question_for_a_password(self, folder: Path) -> None:
        """The command does not ask for the password of an encrypted key, even in a terminal."""
        web = folder / "encrypted.yaml"
        web.write_text(tls(key="encrypted.key"), encoding="utf-8")
        flags = "--config.check", f"--config.file={folder}/config.yaml", f"--web.config.file={web}"
        command = shlex.join([sys.executable, "exporter.py", *flags])
        ended = subprocess.run(
            ["script", "--quiet", "--return", "--command", command, "/dev/null"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (1, f"cloudflare-access-exporter: {web}: {PEM}\n")

    def test_missing(self, folder: Path, capsys: pytest.CaptureFixture[str], own_logging: None) -> None:
        """A missing file is one error line and exit code 1."""
        assert cli.main([f"--config.file={folder}/config.yaml", "--web.config.file=/nowhere/web.yaml"]) == 1
        expected = "cloudflare-access-exporter: /nowhere/web.yaml: cannot be read: No such file or directory"
        assert capsys.readouterr().err.splitlines() == [expected]


def unwrapped(out: str) -> list[str]:
    """Return the lines of a check, with each continued line in one piece."""
    return re.sub(r"\n {4}(?=\S)", " ", out).splitlines()


class TestCheck:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (USERS, "no TLS, basic auth for 1 user, no headers"),
            (
                USERS + "auth_excluded_paths: [/-/healthy, /-/ready]\n",
                "no TLS, basic auth for 1 user except for /-/healthy and /-/ready, no headers",
            ),
            (USERS + "auth_excluded_paths: []\n", "no TLS, basic auth for 1 user, no headers"),
            (tls(), "TLS12 to TLS13 with NoClientCert, no basic auth, no headers"),
            (
                tls("min_version: TLS13, client_ca_file: authority.pem, client_auth_type: RequireAndVerifyClientCert")
                + f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}\n"
                "http_server_config: {headers: {X-Frame-Options: DENY, X-XSS-Protection: 0}}\n",
                "TLS13 to TLS13 with RequireAndVerifyClientCert, basic auth for 2 users, "
                "headers X-Frame-Options and X-XSS-Protection",
            ),
            (
                USERS
                + "rate_limit: {interval: 1m30s, burst: 5}\nhttp_server_config: {headers: {X-XSS-Protection: ''}}\n",
                "no TLS, basic auth for 1 user, no headers, one request per 90 s with bursts of 5",
            ),
        ],
    )
    def test_description(self, check: Callable[..., tuple[int, str, str]], content: str, expected: str) -> None:
        """--config.check reads a valid file with its certificates and describes it without a hash."""
        code, out, err = check(content, "--config.check")
        assert (code, err) == (0, "")
        assert f"web: {expected}" in unwrapped(out)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (
                USERS + "rate_limit: {interval: 1s}\n",
                "rate_limit.burst is 0, so every request is refused; set burst",
            ),
            *(
                (
                    tls(f"client_auth_type: {kind}"),
                    f"tls_server_config: {kind} without client_ca_file: no certificate can be verified",
                )
                for kind in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
            ),
        ],
    )
    def test_warnings(self, check: Callable[..., tuple[int, str, str]], content: str, expected: str) -> None:
        """A configuration that refuses every client is valid, but --config.check prints a warning."""
        code, out, err = check(content, "--config.check")
        assert (code, err) == (0, "")
        assert f"warning: {expected}" in unwrapped(out)

    @pytest.mark.parametrize(("cost", "warned"), [(12, False), (13, True), (16, True)])
    def test_high_bcrypt_cost(self, check: Callable[..., tuple[int, str, str]], cost: int, *, warned: bool) -> None:
        """A bcrypt cost above 12 is a warning, because the first scrape then takes long."""
        code, out, _ = check(USERS.replace("$04", f"${cost}"), "--config.check")
        warning = f"warning: basic_auth_users: user 1 has a bcrypt cost of {cost}: above 12, a check takes seconds"
        assert (code, warning in out.splitlines()) == (0, warned)

    def test_without_a_file(self, folder: Path, capsys: pytest.CaptureFixture[str], own_logging: None) -> None:
        """Without the flag, --config.check prints nothing about a web configuration."""
        assert cli.main(["--config.check", f"--config.file={folder}/config.yaml"]) == 0
        assert "web:" not in capsys.readouterr().out

    @pytest.mark.parametrize("flags", [[], ["--config.check"]])
    def test_an_empty_name(
        self, folder: Path, flags: list[str], capsys: pytest.CaptureFixture[str], own_logging: None
    ) -> None:
        """An empty file name, as from an unset variable, is an error: the exporter does not serve unprotected."""
        config = f"--config.file={folder}/config.yaml", "--web.listen-address=127.0.0.1:0", "--log.level=error"
        assert cli.main([*config, "--web.config.file=", *flags]) == 1
        expected = f"cloudflare-access-exporter: --web.config.file: expected the name of a file; {LEAVE_OUT}\n"
        assert capsys.readouterr().err == expected
