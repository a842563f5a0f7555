"""A secret in a value that the exporter shows is an error, and the error message does not repeat it."""

from pathlib import Path
from time import perf_counter

import pytest

from access_exporter import config
from access_exporter.config import Account, Config, Secret, exposure
from access_exporter.errors import ConfigError
from tests.planted import EMAIL, KEY, PLANTED, TOKEN

# Short enough for an account id, and without the format of a Cloudflare token.
SHORT = f"{PLANTED}-horse-battery"
A = "0123456789abcdef" * 2
B = "fedcba9876543210" * 2
ELSEWHERE = "this text contains a secret of the configuration, and the exporter would show it; remove it"
SHAPE = "this text looks like a token or key, and the exporter would show it; remove it"


def refusal(tmp_path: Path, content: str) -> str:
    """Return the error message for a file, without the file's name, and check that it repeats no secret."""
    (tmp_path / "token").write_text(f"{SHORT}\n", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(content.replace("{file}", str(tmp_path / "token")), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        config.load(str(file), {"TOKEN": SHORT})
    assert PLANTED not in str(refused.value).lower()
    return str(refused.value).removeprefix(f"{file}: ")


# Each way to configure a secret, each value that is shown, and each way to write the secret there.
GIVEN = {
    "a value": f"api_token: {SHORT}",
    "a variable": "api_token: '${TOKEN}'",
    "a file": "api_token_file: '{file}'",
    "a key": f"api_email: me@example.com, api_key: {SHORT}",
    "an e-mail": f"api_email: {SHORT}, api_key: other-secret",
}
PLACES = {
    "accounts[0].id": "{{id: {0}, {1}}}",
    "accounts[0].name": "{{id: a, name: {0}, {1}}}",
    "accounts[0].policy_tests[0].id": "{{id: a, policy_tests: [{{id: {0}}}], {1}}}",
    "accounts[0].policy_tests[1].name": "{{id: a, policy_tests: [{{id: b}}, {{id: c, name: {0}}}], {1}}}",
    "accounts[0].policy_tests[0].policies[1]": "{{id: a, policy_tests: [{{name: c, policies: [d, {0}]}}], {1}}}",
    "accounts[1].name": "{{id: a, {1}}}, {{id: b, name: {0}, api_token: other-secret}}",
    "accounts[0].policy_tests[0].name": (
        "{{id: a, policy_tests: [{{id: b, name: {0}}}, {{id: c, name: {0}}}], api_token: other-secret}}, {{id: b, {1}}}"
    ),
}
WRITTEN = {
    "alone": SHORT,
    "with words around it": f"'of {SHORT}, old'",
    "in capitals": SHORT.upper(),
    "with a newline": f'"{SHORT}\\n"',
    "from the environment": "'${TOKEN}'",
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_where_values_are_shown(tmp_path: Path, given: str, place: str) -> None:
    """A secret of any account, from any source, is an error in an id, a name or a list of ids."""
    accounts = PLACES[place].format(SHORT, given)
    assert refusal(tmp_path, f"accounts: [{accounts}]") == f"{place}: {ELSEWHERE}"


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_ways_to_write_a_secret(tmp_path: Path, written: str) -> None:
    """The check finds a secret that has other words, capitals or white space around or in it."""
    content = f"accounts: [{{id: a, name: {written}, api_token: {SHORT}}}]"
    assert refusal(tmp_path, content) == f"accounts[0].name: {ELSEWHERE}"


PARTS = {
    "beginning": TOKEN[:-1],
    "end": TOKEN[1:],
    "as long as an id": TOKEN[:32],
    "middle": TOKEN[9:28],
    "in two words": f"{TOKEN[:20]} {TOKEN[20:]}",
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_part_of_a_secret(tmp_path: Path, part: str) -> None:
    """A value with 19 characters of a token is an error, because only a part of the token may have been pasted."""
    content = f"accounts: [{{id: a, name: '{part}', api_token: {TOKEN}}}]"
    assert refusal(tmp_path, content) == f"accounts[0].name: {ELSEWHERE}"
    if len(part) <= 32:  # the longest id
        content = f"accounts: [{{id: '{part}', api_token: {TOKEN}}}]"
        assert refusal(tmp_path, content) == f"accounts[0].id: {ELSEWHERE}"


def test_words_in_a_secret(tmp_path: Path) -> None:
    """A secret may contain an id or words that are also shown: only a random part of a token is an error."""
    accounts = (
        f"{{id: {A}, name: The example account, api_token: token-of-the-example-account-{A}}},"
        f" {{id: {B}, name: Example-Manufacturing, api_email: jane@example-manufacturing.com, api_key: {KEY}}}"
    )
    (tmp_path / "config.yaml").write_text(f"accounts: [{accounts}]", encoding="utf-8")
    assert len(config.load(str(tmp_path / "config.yaml"), {}).accounts) == 2


@pytest.mark.parametrize("place", ["url: 'https://example.com/{0}'", "url: 'https://{0}.example.com'"])
def test_a_secret_in_the_address(tmp_path: Path, place: str) -> None:
    """The exporter shows the address of the API, so a secret in that address is an error."""
    content = f"api: {{{place.format(SHORT)}}}\naccounts: [{{id: a, api_token: {SHORT}}}]"
    assert refusal(tmp_path, content) == f"api.url: {ELSEWHERE}"


def test_a_short_secret(tmp_path: Path) -> None:
    """A very short secret is an error as a whole value, but not inside a longer word, where it may be a coincidence."""
    assert refusal(tmp_path, "accounts: [{id: a, name: x, api_token: x}]") == f"accounts[0].name: {ELSEWHERE}"
    (tmp_path / "config.yaml").write_text("accounts: [{id: a, name: Example, api_token: x}]", encoding="utf-8")
    assert config.load(str(tmp_path / "config.yaml"), {}).accounts[0].name == "Example"


@pytest.mark.parametrize("secret", [TOKEN, KEY, f"cfut_{PLANTED}0123456789abcdef"])
@pytest.mark.parametrize("place", [place for place in PLACES if not place.endswith("[0].id")])
def test_what_looks_like_a_secret(tmp_path: Path, secret: str, place: str) -> None:
    """A value in the format of a token or key is an error as an id or name, even if no account uses it."""
    accounts = PLACES[place].format(secret, "api_token: another-secret")
    assert refusal(tmp_path, f"accounts: [{accounts}]") == f"{place}: {SHAPE}"


def test_tokens_side_by_side(tmp_path: Path) -> None:
    """Ids, names and secrets without anything in common are valid."""
    content = (
        f"accounts: [{{id: {A}, name: Example, api_token: {TOKEN}}},"
        f" {{id: {B}, name: Other, api_email: {EMAIL}, api_key: {KEY}}}]"
    )
    (tmp_path / "config.yaml").write_text(content, encoding="utf-8")
    assert len(config.load(str(tmp_path / "config.yaml"), {}).accounts) == 2


def test_many_accounts() -> None:
    """The time of the check is proportional to the number of accounts: 10,000 accounts take less than 10 s."""
    accounts = tuple(
        Account(id=str(number), name=f"The account {number}", api_token=Secret("the test", f"token-{number}"))
        for number in range(10_000)
    )
    began = perf_counter()
    assert list(exposure.problems(Config(accounts=accounts))) == []
    assert perf_counter() - began < 10
