"""Configuration files for tests: good but for the lines a test puts into them."""

from pathlib import Path

from access_exporter import config
from access_exporter.config.model import Account, Config

SECRET = "s3cr3t"
ENVIRON = {
    "CLOUDFLARE_ACCOUNT_ID": "023e105f4ecef8ad9ca31a8372d0c353",
    "CLOUDFLARE_API_TOKEN": SECRET,
    "DIGITS": "12345678901234567890123456789012",
    "EMPTY": "",
    "FIFTY": "fifty",
    "FIRST": "left",
    "LATIN_1": "caf\udce9",  # what Python makes of a byte that is not UTF-8
    "LINES": f"{SECRET}\n{SECRET}",
    "PACE": "1.5",
    "SEATS": " 50 ",
    "SECOND": "right",
    "SPACES": f"{SECRET} {SECRET}",
}


def load(content: str | bytes) -> Config:
    """The configuration of a file with this content."""
    Path("config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return config.load("config.yaml", ENVIRON)


def with_credential(*lines: str) -> str:
    """A file whose only account has these lines beside its id."""
    return "".join(f"{line}\n" for line in ("accounts:", "  - id: example", *(f"    {line}" for line in lines)))


def account(*lines: str) -> str:
    """A good file but for these lines of its account, which start in line 4."""
    return with_credential(f"api_token: {SECRET}", *lines)


def users(*lines: str) -> str:
    """A good file but for these lines of its users, which start in line 5."""
    return account("users:", *(f"  {line}" for line in lines))


def policy_tests(*lines: str) -> str:
    """A good file but for these policy tests, which start in line 5."""
    return account("policy_tests:", *(f"  - {line}" for line in lines))


def api(*lines: str) -> str:
    """A good file but for these lines of `api`, which start in line 2."""
    return "".join(f"{line}\n" for line in ("api:", *(f"  {line}" for line in lines))) + account()


def only_account(content: str) -> Account:
    """The only account of a good file."""
    (found,) = load(content).accounts
    return found
