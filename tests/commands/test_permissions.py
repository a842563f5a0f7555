"""`--config.check --online`: the permissions that each token has."""

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
    """Return a fault that refuses every request to a path."""

    def refuse(handler: Handler) -> None:
        handler.send(error(status, code, "Authentication error"))

    return lambda request: refuse if path in request.path else None


def verdicts(out: str) -> list[list[str]]:
    """Return for each account the lines about permissions, without the reasons."""
    accounts = out.partition("permissions of the tokens, as Cloudflare reports them now:\n")[2].split("  account ")[1:]
    return [
        [line.strip().partition(": 4")[0].partition(": 5")[0] for line in each.splitlines()[1:]] for each in accounts
    ]


def test_all_permissions(run: Run) -> None:
    """Each permission is named once for each account, and the exit code is 0."""
    code, out, err = run(*ONLINE)
    lines = [f"yes          {name}" for name in (USERS, ORGANIZATION, DEVICES)]
    assert (code, verdicts(out), err) == (0, [lines, lines], "")


def test_one_request_each(cloudflare: Simulator, run: Run) -> None:
    """The check sends one GET request for one row for each permission, and nothing else."""
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
    """A refused permission is missing, and after another error it is unknown; both fail the check unless optional."""
    cloudflare.fault = refusing(*refused)
    found, out, err = run(*ONLINE)
    assert (found, err) == (code, "")
    assert verdict in verdicts(out)[0]


def test_offline_asks_nothing(cloudflare: Simulator, run: Run) -> None:
    """Without --online the check sends no request."""
    assert run("--config.check")[0] == 0
    assert not cloudflare.arrivals


def test_no_secret_is_shown(cloudflare: Simulator, run: Run) -> None:
    """The output shows neither a token nor the text of a response."""
    cloudflare.fault = refusing("/access/", 403, 10000)
    _, out, err = run(*ONLINE)
    assert "Authentication error" not in out + err
    assert not [account for account in cloudflare.accounts.values() if (account.token or "?") in out + err]
