"""A configuration from environment variables alone."""

import re
from pathlib import Path

import pytest

from access_exporter import config
from access_exporter.config.durations import Interval
from access_exporter.config.environment import DOCUMENTATION, VARIABLES
from access_exporter.config.model import Account, Config, PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError
from tests.config_files import SECRET, account
from tests.processes import ROOT, Run

pytestmark = pytest.mark.usefixtures("secret_files")

ID = {"CLOUDFLARE_ACCOUNT_ID": "023e105f4ecef8ad9ca31a8372d0c353"}
TOKEN = {"CLOUDFLARE_API_TOKEN": SECRET}
LEAST = ID | TOKEN
CREDENTIALS = "`CLOUDFLARE_API_TOKEN`, `CLOUDFLARE_API_TOKEN_FILE`, `CLOUDFLARE_API_KEY`, `CLOUDFLARE_API_KEY_FILE`"
MISSING = "environment variables are not set or are empty: "
ONE = (
    "expected one of CLOUDFLARE_API_TOKEN, CLOUDFLARE_API_TOKEN_FILE, or CLOUDFLARE_EMAIL with CLOUDFLARE_API_KEY or "
    "CLOUDFLARE_API_KEY_FILE"
)
GOOD = {
    "token": LEAST,
    "token file": ID | {"CLOUDFLARE_API_TOKEN_FILE": "token"},
    "key": ID | {"CLOUDFLARE_EMAIL": "me@example.com", "CLOUDFLARE_API_KEY": SECRET},
    "key file": ID | {"CLOUDFLARE_EMAIL": "me@example.com", "CLOUDFLARE_API_KEY_FILE": "token"},
    "everything": LEAST
    | {
        "CLOUDFLARE_ACCESS_SEAT_LIMIT": "50",
        "CLOUDFLARE_ACCESS_ACCOUNT_NAME": "Example",
        "CLOUDFLARE_ACCESS_INTERVAL": "1h",
        "CLOUDFLARE_ACCESS_DISCOVER": "applications",
    },
    "empty ones": LEAST | dict.fromkeys(("CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL", "CLOUDFLARE_ACCESS_DISCOVER"), ""),
}
BAD = {
    "account": (TOKEN, f"{MISSING}`CLOUDFLARE_ACCOUNT_ID`"),
    "credential": (ID, f"{MISSING}one of {CREDENTIALS}"),
    "both": ({"CLOUDFLARE_ACCESS_SEAT_LIMIT": "5"}, f"{MISSING}`CLOUDFLARE_ACCOUNT_ID`; one of {CREDENTIALS}"),
    "account and address": ({"CLOUDFLARE_API_KEY": SECRET}, f"{MISSING}`CLOUDFLARE_ACCOUNT_ID`; `CLOUDFLARE_EMAIL`"),
    "two credentials": (
        LEAST | {"CLOUDFLARE_API_TOKEN_FILE": "token"},
        f"the environment: {ONE}; got CLOUDFLARE_API_TOKEN and CLOUDFLARE_API_TOKEN_FILE",
    ),
    "token and key": (
        LEAST | {"CLOUDFLARE_API_KEY": SECRET, "CLOUDFLARE_EMAIL": "me@example.com"},
        f"the environment: {ONE}; got CLOUDFLARE_API_TOKEN and CLOUDFLARE_API_KEY",
    ),
    "token and address": (
        LEAST | {"CLOUDFLARE_EMAIL": "me@example.com"},
        "CLOUDFLARE_EMAIL: allowed with CLOUDFLARE_API_KEY or CLOUDFLARE_API_KEY_FILE only, "
        "not with CLOUDFLARE_API_TOKEN",
    ),
    "long account": (
        TOKEN | {"CLOUDFLARE_ACCOUNT_ID": "a" * 33},
        "CLOUDFLARE_ACCOUNT_ID: expected a string with a length of at most 32",
    ),
    "token as account": (
        TOKEN | {"CLOUDFLARE_ACCOUNT_ID": SECRET},
        "CLOUDFLARE_ACCOUNT_ID: this text contains a secret of the configuration, "
        "and the exporter would show it; remove it",
    ),
    "token of two lines": (
        ID | {"CLOUDFLARE_API_TOKEN": f"{SECRET}\n{SECRET}"},
        "CLOUDFLARE_API_TOKEN: expected a secret of printable ASCII characters without spaces "
        "(environment variable CLOUDFLARE_API_TOKEN)",
    ),
    "missing file": (
        ID | {"CLOUDFLARE_API_TOKEN_FILE": "api_token"},
        "CLOUDFLARE_API_TOKEN_FILE: the secret file `api_token` cannot be read: No such file or directory",
    ),
    "seats": (
        LEAST | {"CLOUDFLARE_ACCESS_SEAT_LIMIT": "fifty"},
        "CLOUDFLARE_ACCESS_SEAT_LIMIT: expected a whole number, got a string",
    ),
    "no seats": (
        LEAST | {"CLOUDFLARE_ACCESS_SEAT_LIMIT": "0"},
        "CLOUDFLARE_ACCESS_SEAT_LIMIT: expected a whole number >= 1",
    ),
    "interval": (
        LEAST | {"CLOUDFLARE_ACCESS_INTERVAL": "9s"},
        "CLOUDFLARE_ACCESS_INTERVAL: expected a duration from 10s to 365d, such as 90s, 5m, 2h or 1d, or a number of "
        "seconds",
    ),
    "discover": (LEAST | {"CLOUDFLARE_ACCESS_DISCOVER": "apps"}, "CLOUDFLARE_ACCESS_DISCOVER: expected `applications`"),
    "name": (
        LEAST | {"CLOUDFLARE_ACCESS_ACCOUNT_NAME": "caf\udce9"},
        "CLOUDFLARE_ACCESS_ACCOUNT_NAME: expected Unicode, got half of a surrogate pair: an escape \\ud800 to \\udfff, "
        "or bytes not in UTF-8",
    ),
}


def test_everything() -> None:
    """Each variable sets its key; a longer interval also raises stale_after, so that numbers stay visible."""
    assert config.load(None, GOOD["everything"]) == Config(
        accounts=(
            Account(
                id=ID["CLOUDFLARE_ACCOUNT_ID"],
                name="Example",
                api_token=Secret("environment variable CLOUDFLARE_API_TOKEN", SECRET),
                seat_limit=50,
                users=Users(interval=Interval(3600), stale_after=config.Duration(6 * 3600)),
                policy_tests=(PolicyTest(discover="applications"),),
            ),
        )
    )


@pytest.mark.parametrize("environ", GOOD.values(), ids=GOOD)
def test_the_shipped_file_means_the_same(environ: dict[str, str]) -> None:
    """Every variable has the same meaning without a file and with the shipped config.yaml, which is in the image."""
    loaded = config.load(None, environ)
    assert loaded == config.load(str(ROOT / "config.yaml"), environ)
    assert loaded.accounts[0].secret.read() == SECRET


@pytest.mark.parametrize(("environ", "expected"), BAD.values(), ids=BAD)
def test_errors(environ: dict[str, str], expected: str) -> None:
    """A variable passes the same checks as a key of the file; the error message names the variable, never a secret."""
    with pytest.raises(ConfigError) as refused:
        config.load(None, environ)
    assert str(refused.value) == expected
    with pytest.raises(ConfigError):
        config.load(str(ROOT / "config.yaml"), environ)


@pytest.fixture
def bare(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command without any variable that configures it."""
    for name in (*VARIABLES.values(), "CLOUDFLARE_ACCESS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    return run


@pytest.mark.parametrize("flags", [[], ["--config.check"], ["--once"], ["--idle-seats=90d"]], ids=str)
@pytest.mark.parametrize("file", [[], [f"--config.file={ROOT}/config.yaml"]], ids=["no file", "the shipped file"])
def test_neither_file_nor_variables(bare: Run, flags: list[str], file: list[str]) -> None:
    """If there is neither a file nor a variable, one error line says how to start: with a file, variables or --demo."""
    code, out, err = bare(*flags, *file)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    for word in ("--config.file=FILE", "CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN", "--demo", DOCUMENTATION):
        assert word in line


def test_every_variable_is_documented() -> None:
    """The table in docs/configuration.md has each variable with its key, and no other variable."""
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    documented = {f"accounts[0].{key}": name for name, key in re.findall(r"(?m)^\| `([A-Z_]+)` \| `(\S+)` \|", text)}
    assert documented == VARIABLES


def test_the_link_leads_to_the_documentation() -> None:
    """The error message links to an existing document of the project."""
    home, _, document = DOCUMENTATION.partition("/blob/main/")
    assert f'Homepage = "{home}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert (ROOT / document).exists()


class TestPrecedence:
    """The order of precedence: flag, variable with a path, config.yaml in the working folder, other variables."""

    def account(self, run: Run, *flags: str) -> str:
        code, out, err = run("--config.check", *flags)
        assert (code, err) == (0, "")
        return out.partition("account '")[2].partition("'")[0]

    def write(self, name: str) -> None:
        Path(f"{name}.yaml").write_text(account().replace("id: example", f"id: {name}"), encoding="utf-8")

    def test_order(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """--config.file comes first, then CLOUDFLARE_ACCESS_CONFIG_FILE, then config.yaml, then the other variables."""
        assert self.account(run) == ID["CLOUDFLARE_ACCOUNT_ID"]
        self.write("config")
        assert self.account(run) == "config"
        self.write("variable")
        monkeypatch.setenv("CLOUDFLARE_ACCESS_CONFIG_FILE", "variable.yaml")
        assert self.account(run) == "variable"
        self.write("flag")
        assert self.account(run, "--config.file=flag.yaml") == "flag"
        monkeypatch.setenv("CLOUDFLARE_ACCESS_CONFIG_FILE", "")
        assert self.account(run) == "config"

    @pytest.mark.parametrize("flags", [["--config.file=gone.yaml"], ["--config.file="], []], ids=str)
    def test_a_file_that_is_missing(self, run: Run, monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
        """If the flag or the variable names a missing file, that is an error, even if config.yaml exists."""
        self.write("config")
        monkeypatch.setenv("CLOUDFLARE_ACCESS_CONFIG_FILE", "gone.yaml")
        code, out, err = run(*flags, "--config.check")
        assert (code, out) == (1, "")
        assert "cannot be read: No such file or directory" in err

    def test_a_link_to_nowhere(self, run: Run) -> None:
        """A config.yaml that is a broken symbolic link is an error."""
        Path("config.yaml").symlink_to("gone.yaml")
        assert run("--config.check")[::2] == (
            1,
            "cloudflare-access-exporter: config.yaml: cannot be read: No such file or directory\n",
        )
