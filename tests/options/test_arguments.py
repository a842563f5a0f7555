"""Usage errors: each is one line that says how to fix it, with exit code 2."""

from itertools import combinations

import pytest

from access_exporter.options import FLAGS
from tests.processes import Run

LEVELS = "expected debug, info, warn or error"
HOSTS = "expected host names without ports, with commas between them"
MODES = ("--config.check", "--once", "--idle-seats=90d", "--test-policy=new.json", "--version")


def complaint(run: Run, *arguments: str) -> str:
    """Return the one line of a usage error."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    prefix, found, text = line.partition("cloudflare-access-exporter: ")
    assert (prefix, bool(found)) == ("", True)
    return text


@pytest.mark.parametrize(
    ("argument", "named", "meant"),
    [
        ("--web.listen-adress", "--web.listen-adress", "--web.listen-address"),
        ("--web.listen-adress=:1", "--web.listen-adress", "--web.listen-address"),
        ("--web.listen_address=:1", "--web.listen_address", "--web.listen-address"),
        ("--web-listen-address", "--web-listen-address", "--web.listen-address"),
        ("--listen=:1", "--listen", "--web.listen-address"),
        ("--LOG.LEVEL=info", "--LOG.LEVEL", "--log.level"),
        ("--config=x.yaml", "--config", "--config.file"),
        ("--config.chec", "--config.chec", "--config.check"),
        ("--onc", "--onc", "--once"),
        ("-once", "-once", "--once"),
        ("-log.level=debug", "-log.level", "--log.level"),
        ("---demo", "---demo", "--demo"),
        ("-version", "-version", "--version"),
        ("\N{EM DASH}once", repr("\N{EM DASH}once"), "--once"),
    ],
)
def test_a_misspelled_flag(run: Run, argument: str, named: str, meant: str) -> None:
    """A misspelled or shortened flag is an error that suggests the most similar flag."""
    assert complaint(run, argument) == f"unknown flag {named}; did you mean {meant}?"
    assert complaint(run, "--demo", argument) == f"unknown flag {named}; did you mean {meant}?"


@pytest.mark.parametrize("argument", ["--nonsense", "--x=1", "-x", "-", "--", "--=1", "--web"])
def test_an_unknown_flag(run: Run, argument: str) -> None:
    """A flag that resembles no other is an error that points to `--help`."""
    assert complaint(run, argument) == f"unknown flag {argument.partition('=')[0]}; --help lists the flags"


@pytest.mark.parametrize(
    ("argument", "ending"),
    [
        ("config.yaml", "; did you mean --config.file=config.yaml?"),
        ("/etc/exporter/config.yml", "; did you mean --config.file=/etc/exporter/config.yml?"),
        ("once", "; did you mean --once?"),
        ("log.level=debug", "; did you mean --log.level?"),
        ("true", "; --help lists the flags"),
        ("", "; --help lists the flags"),
        ("two\nparts", "; --help lists the flags"),
    ],
)
def test_an_argument_that_is_no_flag(run: Run, argument: str, ending: str) -> None:
    """An argument without a flag is an error that suggests the flag it may belong to."""
    assert complaint(run, "--once", argument) == f"unexpected argument {argument!r}{ending}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--web.max-requests=0"], "--web.max-requests: expected a whole number of at least 1, got 0"),
        (["--web.max-requests=-1"], "--web.max-requests: expected a whole number, got '-1'"),
        *(
            ([f"--web.allowed-hosts={given}"], f"--web.allowed-hosts: {HOSTS}, got {wrong!r}")
            for given, wrong in (("a:80", "a:80"), ("a,,b", ""), ("https://a", "https://a"), ("a, *.b", "*.b"))
        ),
        (["--log.level=warning"], f"--log.level: {LEVELS}, got 'warning'; did you mean warn?"),
        (["--log.level", "INFO"], f"--log.level: {LEVELS}, got 'INFO'; did you mean info?"),
        (["--log.level=verbose"], f"--log.level: {LEVELS}, got 'verbose'"),
        (["--log.level="], f"--log.level: {LEVELS}, got ''"),
        (["--log.format=log"], "--log.format: expected logfmt or json, got 'log'; did you mean logfmt?"),
        (["--config.file"], "--config.file needs a value: --config.file=FILE"),
        (["--config.file", "--once"], "--config.file needs a value: --config.file=FILE"),
        (["--log.format"], "--log.format needs a value: --log.format=logfmt|json"),
        (["--shard", "-1"], "--shard needs a value: --shard=N"),
        (["--once=true"], "--once takes no value; write --once without ="),
        (["--demo="], "--demo takes no value; write --demo without ="),
        (["--log.level=info", "--log.level=debug"], "--log.level is given 2 times; use it once"),
        (["--once", "--once"], "--once is given 2 times; use it once"),
        (
            ["--web.listen-address=:80", "--web.listen-address=[::1]:80", "--web.listen-address", ":0080"],
            "--web.listen-address=:80 is given 2 times; use it once",
        ),
    ],
)
def test_values(run: Run, arguments: list[str], expected: str) -> None:
    """A missing, wrong, repeated or unexpected value is an error that says what is expected."""
    assert complaint(run, *arguments) == expected


@pytest.mark.parametrize(("one", "other"), list(combinations(MODES, 2)))
def test_modes(run: Run, one: str, other: str) -> None:
    """Two flags that each replace serving, such as --once and --version, are an error in either order."""
    first, second = one.partition("=")[0], other.partition("=")[0]
    for arguments in ([one, other], [other, one]):
        line = complaint(run, *arguments)
        assert line.endswith(" cannot be used together; remove one of them")
        assert {first, second} <= set(line.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config.file=a.yaml", "--demo"], "--config.file and --demo cannot be used together; remove one of them"),
        *(
            (
                [mode, f"--{flag}"],
                f"--{flag.partition('=')[0]} and {mode.partition('=')[0]} cannot be used together; remove one of them",
            )
            for mode in ("--once", "--idle-seats=90d", "--test-policy=new.json")
            for flag in (
                "web.listen-address=:1",
                "web.telemetry-path=/m",
                "web.config.file=a.yaml",
                "web.enable-lifecycle",
                "web.max-requests=1",
                "web.allowed-hosts=a",
            )
        ),
        (
            ["--idle-seats=90d", "--storage.path=a"],
            "--storage.path and --idle-seats cannot be used together; remove one of them",
        ),
        (["--account=a"], "--account needs --idle-seats or --test-policy"),
        (["--format=csv", "--once"], "--format needs --idle-seats or --test-policy"),
        (["--idle-seats=90d", "--format=markdown"], "--format=markdown needs --test-policy"),
        *(
            ([f"--{flag}", *others], f"--{flag.partition('=')[0]} needs --test-policy")
            for flag in ("compare-with=Wiki", "max-blocked=5", "show=all", "timeout=5m")
            for others in ([], ["--idle-seats=90d"], ["--config.check"])
        ),
        (["--max-newly-blocked=5", "--test-policy=new.json"], "--max-newly-blocked needs --compare-with"),
    ],
)
def test_flags_that_do_not_go_together(run: Run, arguments: list[str], expected: str) -> None:
    """A flag without effect is an error that names the flag it needs or conflicts with."""
    assert complaint(run, *arguments) == expected


@pytest.mark.parametrize("mode", ["--config.check", "--once", "--idle-seats=90d"])
def test_the_demo_goes_with_every_mode(run: Run, mode: str) -> None:
    """`--demo` can be combined with --config.check, --once and --idle-seats."""
    assert run("--demo", mode).code == 0


def test_serving_flags_can_be_checked(run: Run) -> None:
    """`--config.check` can be added to the whole command line of the service."""
    web = [
        f"{flag.name}={flag.default}"
        for flag in FLAGS
        if flag.name.startswith("--web.") and flag.default.startswith((":", "/"))
    ]
    assert run("--demo", "--config.check", *web, "--storage.path=a", "--log.level=debug").code == 0


def test_version_with_other_flags(run: Run) -> None:
    """`--version` can be added to any command line that serves."""
    assert run("--config.file=missing.yaml", "--web.listen-address=:1", "--version").code == 0
