"""Command-line flags: their values, defaults and errors."""

from collections.abc import Callable

import pytest

from access_exporter import __version__, cli
from access_exporter.addresses import Address
from access_exporter.options import Options
from tests.planted import PLANTED, TOKEN
from tests.processes import Run

# For flags with a value: another value than the default, and the options it results in.
VALUES = [
    ("--config.file", "other.yaml", {"config_file": "other.yaml"}),
    ("--web.listen-address", "127.0.0.1:9999", {"listen_addresses": (Address("127.0.0.1", 9999),)}),
    ("--web.telemetry-path", "/numbers", {"metrics_path": "/numbers"}),
    ("--web.max-requests", "7", {"max_requests": 7}),
    ("--web.allowed-hosts", "a.example,b", {"allowed_hosts": ("a.example", "b")}),
    ("--web.allowed-hosts", "", {"allowed_hosts": ()}),
    ("--log.level", "debug", {"log_level": "debug"}),
    ("--log.format", "json", {"log_format": "json"}),
]
SWITCHES = [
    ("--config.check", {"check": True}),
    ("--once", {"once": True}),
    ("--demo", {"demo": True}),
    ("--web.enable-lifecycle", {"lifecycle": True}),
]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Options]:
    """Return a function that parses flags and runs nothing."""
    seen: list[Options] = []

    def run(options: Options) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(cli, "execute", run)

    def parsed(*arguments: str) -> Options:
        assert cli.main(arguments) == 0
        return seen.pop()

    return parsed


class TestFlags:
    def test_defaults(self, parsed: Callable[..., Options]) -> None:
        """Without flags the options have the documented defaults."""
        assert parsed() == Options(
            config_file=None,
            check=False,
            once=False,
            demo=False,
            listen_addresses=(Address("", 10060),),
            metrics_path="/metrics",
            lifecycle=False,
            log_level="info",
            log_format="logfmt",
        )

    @pytest.mark.parametrize(("flag", "value", "meant"), VALUES)
    def test_values(self, parsed: Callable[..., Options], flag: str, value: str, meant: dict[str, object]) -> None:
        """`--flag=value` and `--flag value` have the same effect, and change no other option."""
        expected = Options(**meant)  # type: ignore[arg-type]  # the values are of several types
        assert parsed(f"{flag}={value}") == expected
        assert parsed(flag, value) == expected

    @pytest.mark.parametrize(("flag", "meant"), SWITCHES)
    def test_switches(self, parsed: Callable[..., Options], flag: str, meant: dict[str, bool]) -> None:
        """A switch needs no value and changes no other option."""
        assert parsed(flag) == Options(**meant)  # type: ignore[arg-type]  # the values are of several types

    @pytest.mark.parametrize("given", ["{}", "--{}", "--shard={}", "--log.level={}", "--web.listen-address={}"])
    def test_token_in_a_flag(self, run: Run, given: str) -> None:
        """A usage error does not show a token that was typed in place of a flag or its value."""
        code, out, err = run(given.format(TOKEN))
        assert (code, out) == (2, "")
        assert "<hidden>" in err
        assert PLANTED not in err

    def test_token_as_a_file_name(self, run: Run) -> None:
        """The error for a missing configuration file does not show a token that was typed in place of its name."""
        code, out, err = run("--config.check", f"--config.file={TOKEN}")
        assert (code, out) == (1, "")
        assert err == "cloudflare-access-exporter: <hidden>: cannot be read: No such file or directory\n"

    @pytest.mark.parametrize(
        "address",
        [
            "",
            ":",
            "10060",
            "localhost",
            "127.0.0.1",
            "localhost:",
            "localhost:http",
            ":-1",
            ":65536",
            ":1e3",
            ":123456",
            ": 80",
            ":\u0661",
            "a b:80",
            "a:b:80",
            "::1:80",
            "[::1]",
            "[::1]80",
            "[::1:80",
            "::1]:80",
            "[]:80",
            "[::1]:80x",
            "http://localhost:80",
            "localhost:80/",
            "lo\ncalhost:80",
            ":80\n",
            "é..example:80",
        ],
    )
    def test_bad_addresses(self, run: Run, address: str) -> None:
        """A listen address that is not HOST:PORT is a usage error that shows the expected form."""
        code, out, err = run(f"--web.listen-address={address}")
        assert (code, out) == (2, "")
        assert err == (
            "cloudflare-access-exporter: --web.listen-address: "
            f"expected HOST:PORT, [IPv6 address]:PORT or :PORT, got {address!r}\n"
        )

    @pytest.mark.parametrize(
        ("address", "meant"),
        [
            (":0", ("", 0)),
            (":65535", ("", 65535)),
            ("0.0.0.0:80", ("0.0.0.0", 80)),  # noqa: S104 – nothing listens
            ("localhost:80", ("localhost", 80)),
            ("my-host.example:80", ("my-host.example", 80)),
            ("[::]:80", ("::", 80)),
            ("[::1]:80", ("::1", 80)),
            ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        ],
    )
    def test_good_addresses(self, parsed: Callable[..., Options], address: str, meant: tuple[str, int]) -> None:
        """A listen address has a port, and a host unless it means every address."""
        (parsed_address,) = parsed(f"--web.listen-address={address}").listen_addresses
        assert parsed_address == meant
        assert str(parsed_address) == address

    def test_several_addresses(self, parsed: Callable[..., Options]) -> None:
        """All given listen addresses are used, and the default only if none is given."""
        given = "--web.listen-address=127.0.0.1:80", "--web.listen-address", "[::1]:81"
        assert parsed(*given).listen_addresses == (("127.0.0.1", 80), ("::1", 81))

    @pytest.mark.parametrize("path", ["", "metrics", "/", "/-/ready", "/-/", "/m?x", "/a%20b", "/a b"])
    def test_bad_paths(self, run: Run, path: str) -> None:
        """The path of the metrics cannot be one that the exporter uses itself."""
        code, _, err = run(f"--web.telemetry-path={path}")
        assert code == 2
        assert err == (
            "cloudflare-access-exporter: --web.telemetry-path: "
            f"expected a path such as /metrics; / and /-/... are not allowed; got {path!r}\n"
        )

    def test_version(self, run: Run) -> None:
        """`--version` prints one line on standard output."""
        assert run("--version") == (0, f"cloudflare-access-exporter {__version__}\n", "")

    @pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--once", "--nonsense", "--help"]])
    def test_help(self, run: Run, arguments: list[str]) -> None:
        """`--help` lists every flag, even among other arguments."""
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        assert all(flag in out for flag in (*(flag for flag, *_ in VALUES + SWITCHES), "--version"))
