"""`--config.check --online`: which of the needed permissions the tokens have."""

from collections.abc import Callable

import pytest

from access_exporter.simulator import Handler, Request, Simulator
from access_exporter.simulator.answers import error
from tests.processes import Run

USERS = "Access: Audit Logs Read"
DEVICES = "Zero Trust: Read (optional)"
ORGANIZATION = "Access: Organizations, Identity Providers, and Groups Read (optional)"
ONLINE = ("--config.check", "--online")


def refusing(path: str, status: int, code: int) -> Callable[[Request], Callable[[Handler], None] | None]:
    """Refuse every request for a path."""

    def refuse(handler: Handler) -> None:
        handler.send(error(status, code, "Authentication error"))

    return lambda request: refuse if path in request.path else None


def verdicts(out: str) -> list[list[str]]:
    """Return for each account the lines about permissions, without the reasons."""
    accounts = out.partition("permissions of the tokens, as Cloudflare reports them now:\n")[2].split("  account ")[1:]
    return [
        [line.strip().partition(": 4")[0].partition(": 5")[0] for line in each.splitlines()[1:]] for each in accounts
    ]


def test_all_are_there(run: Run) -> None:
    """Each permission is named once for each account, and the exit status is 0."""
    code, out, err = run(*ONLINE)
    lines = [f"yes          {name}" for name in (USERS, ORGANIZATION, DEVICES)]
    assert (code, verdicts(out), err) == (0, [lines, lines], "")


def test_one_request_each(cloudflare: Simulator, run: Run) -> None:
    """One GET of one row asks for each permission, and nothing else is sent."""
    run(*ONLINE)
    asked = [(request.method, request.path) for request in cloudflare.arrivals]
    assert len(asked) == len(set(asked)) == 6
    assert {method for method, _ in asked} == {"GET"}
    assert {request.query.get("per_page") for request in cloudflare.arrivals} == {"1"}


@pytest.mark.parametrize(
    ("refused", "code", "verdict"),
    [
        (("/access/users", 403, 10000), 1, f"missing      {USERS}"),
        (("/access/users", 401, 0), 1, f"missing      {USERS}"),
        (("/access/users", 500, 0), 1, f"unknown      {USERS}"),
        (("/access/users", 404, 9999), 1, f"unknown      {USERS}"),
        (("/access/users", 429, 0), 1, f"unknown      {USERS}"),
        (("/devices/registrations", 403, 10000), 0, f"missing      {DEVICES}"),
        (("/access/organizations", 403, 10000), 0, f"missing      {ORGANIZATION}"),
    ],
)
def test_a_permission_is_missing(
    cloudflare: Simulator, run: Run, refused: tuple[str, int, int], code: int, verdict: str
) -> None:
    """What is refused is missing, what cannot be asked is unknown, and both fail the check unless it is optional."""
    cloudflare.fault = refusing(*refused)
    found, out, err = run(*ONLINE)
    assert (found, err) == (code, "")
    assert verdict in verdicts(out)[0]


def test_offline_asks_nothing(cloudflare: Simulator, run: Run) -> None:
    """Without --online the check sends no request."""
    assert run("--config.check")[0] == 0
    assert not cloudflare.arrivals


def test_nothing_that_cloudflare_answers_is_shown(cloudflare: Simulator, run: Run) -> None:
    """Neither a token nor the text of an answer gets into the output."""
    cloudflare.fault = refusing("/access/", 403, 10000)
    _, out, err = run(*ONLINE)
    assert "Authentication error" not in out + err
    assert not [account for account in cloudflare.accounts.values() if (account.token or "?") in out + err]
