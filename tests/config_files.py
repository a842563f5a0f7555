"""Configuration files for tests; they are valid except for the lines that a test adds."""

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
    "LATIN_1": "caf\udce9",  # how Python represents a byte that is not UTF-8
    "LINES": f"{SECRET}\n{SECRET}",
    "PACE": "1.5",
    "SEATS": " 50 ",
    "SECOND": "right",
    "SPACES": f"{SECRET} {SECRET}",
}


def load(content: str | bytes) -> Config:
    """Write a file with this content, and return its configuration."""
    Path("config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return config.load("config.yaml", ENVIRON)


def with_credential(*lines: str) -> str:
    """Return a file with one account, which has an id and these lines."""
    return "".join(f"{line}\n" for line in ("accounts:", "  - id: example", *(f"    {line}" for line in lines)))


def account(*lines: str) -> str:
    """Return a valid file with these lines added to its account, from line 4 on."""
    return with_credential(f"api_token: {SECRET}", *lines)


def users(*lines: str) -> str:
    """Return a valid file with these lines of `users`, from line 5 on."""
    return account("users:", *(f"  {line}" for line in lines))


def policy_tests(*lines: str) -> str:
    """Return a valid file with these policy tests, from line 5 on."""
    return account("policy_tests:", *(f"  - {line}" for line in lines))


def api(*lines: str) -> str:
    """Return a valid file with these lines of `api`, from line 2 on."""
    return "".join(f"{line}\n" for line in ("api:", *(f"  {line}" for line in lines))) + account()


def only_account(content: str) -> Account:
    """Return the only account of a valid file."""
    (found,) = load(content).accounts
    return found
