from collections.abc import Callable

import pytest

from access_exporter import __version__, cli
from access_exporter.addresses import Address
from access_exporter.options import Options
from tests.planted import PLANTED, TOKEN
from tests.processes import Run

# With every flag that takes a value, another than its default, and what it means.
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
    """Gives the options that flags mean, without running anything."""
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
        """Without flags the defaults are those of the documentation."""
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
        """`--flag=value` and `--flag value` mean the same, and change nothing else."""
        expected = Options(**meant)  # type: ignore[arg-type]  # the values are of several types
        assert parsed(f"{flag}={value}") == expected
        assert parsed(flag, value) == expected

    @pytest.mark.parametrize(("flag", "meant"), SWITCHES)
    def test_switches(self, parsed: Callable[..., Options], flag: str, meant: dict[str, bool]) -> None:
        """A switch needs no value and changes nothing else."""
        assert parsed(flag) == Options(**meant)  # type: ignore[arg-type]  # the values are of several types

    @pytest.mark.parametrize("given", ["{}", "--{}", "--shard={}", "--log.level={}", "--web.listen-address={}"])
    def test_a_token_for_a_flag(self, run: Run, given: str) -> None:
        """An error in the usage does not repeat a token that was given in place of a flag or its value."""
        code, out, err = run(given.format(TOKEN))
        assert (code, out) == (2, "")
        assert "<hidden>" in err
        assert PLANTED not in err

    def test_a_token_for_a_file(self, run: Run) -> None:
        """Nor does the error about a configuration file that is not there."""
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
        """What is not HOST:PORT is an error in the usage that shows what was expected."""
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
        """An address has a port and, where it is not every address, a host."""
        (parsed_address,) = parsed(f"--web.listen-address={address}").listen_addresses
        assert parsed_address == meant
        assert str(parsed_address) == address

    def test_several_addresses(self, parsed: Callable[..., Options]) -> None:
        """Every address that is given is served, and the default one only if none is given."""
        given = "--web.listen-address=127.0.0.1:80", "--web.listen-address", "[::1]:81"
        assert parsed(*given).listen_addresses == (("127.0.0.1", 80), ("::1", 81))

    @pytest.mark.parametrize("path", ["", "metrics", "/", "/-/ready", "/-/", "/m?x", "/a%20b", "/a b"])
    def test_bad_paths(self, run: Run, path: str) -> None:
        """The metrics cannot take the place of what the exporter serves anyway."""
        code, _, err = run(f"--web.telemetry-path={path}")
        assert code == 2
        assert err == (
            "cloudflare-access-exporter: --web.telemetry-path: "
            f"expected a path such as /metrics; / and /-/... are not allowed; got {path!r}\n"
        )

    def test_version(self, run: Run) -> None:
        """`--version` is one line on standard output."""
        assert run("--version") == (0, f"cloudflare-access-exporter {__version__}\n", "")

    @pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--once", "--nonsense", "--help"]])
    def test_help(self, run: Run, arguments: list[str]) -> None:
        """`--help` names every flag, whatever else is given."""
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        assert all(flag in out for flag in (*(flag for flag, *_ in VALUES + SWITCHES), "--version"))
