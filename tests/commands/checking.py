"""An account with five users and a few applications, and the command that tests a policy on it.

Ann, Bob and Cleo are at example.com, Dora is at example.org. Edward has no e-mail address, so Cloudflare cannot
evaluate a policy for him.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from access_exporter import cli
from access_exporter.simulator import Account, Handler, PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import Life
from access_exporter.simulator.evaluation import results
from tests.fakes import FakeClock
from tests.processes import Outcome

Happen = Callable[[Handler], None]

ACCOUNT = "first"
EVERYBODY = ("ann", "bob", "cleo", "dora", "edward")
STAFF_ID, VISITORS_ID = "5af0", "5af1"
COM = {"email_domain": {"domain": "example.com"}}
ORG = {"email_domain": {"domain": "example.org"}}
PUBLIC: dict[str, Any] = {"name": "Public", "decision": "bypass", "include": [{"everyone": {}}]}


def email(person: str) -> dict[str, Any]:
    """Return a rule for one user."""
    return {"email": {"email": f"{person}@example.com"}}


def allow(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a policy that allows users who match one of these rules."""
    return {"name": "Draft", "decision": "allow", "include": list(rules), **fields}


POLICY = allow(COM)
# The wiki allows Dora, and everyone at example.com except Cleo.
NOT_CLEO = {"name": "Not Cleo", "decision": "deny", "include": [email("cleo")]}
WIKI = {
    "id": "a1",
    "name": "Wiki",
    "type": "self_hosted",
    "policies": [
        {"id": STAFF_ID, "precedence": 2, **allow(COM, name="Staff"), "reusable": True},
        {"id": "own1", "precedence": 1, **NOT_CLEO, "updated_at": "2026-01-01T00:00:00Z"},
        {"id": "own2", "precedence": 3, **allow(ORG, name="Friends"), "exclude": []},
    ],
}
APPLICATIONS = (
    WIKI,
    {"id": "a2", "name": "Grafana", "type": "self_hosted", "policies": WIKI["policies"]},
    {"id": "a3", "name": "Grafana", "type": "self_hosted", "policies": WIKI["policies"]},
    {"id": "a4", "name": "Public", "type": "self_hosted", "policies": [{"id": "own3", **PUBLIC}]},
    {"id": "a5", "name": "Links", "type": "bookmark"},
    {"id": "a6", "name": "Broken", "type": "saas", "policies": [5]},
    {"id": "a7", "name": "Visitors", "type": "saas", "policies": WIKI["policies"]},
)
POLICIES = (
    {"id": STAFF_ID, "reusable": True, **allow(COM, name="Staff")},
    {"id": VISITORS_ID, "reusable": True, **allow(ORG, name="Visitors")},
)


def account() -> Account:
    """Return the account; each of its policy tests takes 20 seconds."""
    made = Account(ACCOUNT)
    people = [
        User(f"id-{name}", email=f"{name}@example.{'org' if name == 'dora' else 'com'}", name=name.title())
        for name in EVERYBODY[:-1]
    ]
    made.users = [*people, User("id-edward", name="Edward")]
    made.lists = {"apps": APPLICATIONS, "policies": POLICIES}
    made.any_life = lambda policies: Life(tuple(results(made, policies)), seconds=20)
    return made


class Check:
    """Runs the command in this process, with a clock that only advances when the command waits."""

    def __init__(self, server: Simulator, clock: FakeClock, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self.clock = clock
        self.account = server.accounts[ACCOUNT]
        self.file = folder / "policy.yaml"
        self.config = folder / "config.yaml"
        self._capsys = capsys

    def __call__(self, policies: object, *flags: str, accounts: Sequence[str] = (ACCOUNT,)) -> Outcome:
        """Test these policies, given as the text of a file or as JSON values."""
        self.file.write_text(policies if isinstance(policies, str) else json.dumps(policies), encoding="utf-8")
        return self.run(f"--test-policy={self.file}", *flags, accounts=accounts)

    def run(self, *flags: str, accounts: Sequence[str] = (ACCOUNT,)) -> Outcome:
        """Run the command with these flags."""
        listed = "".join(f"  - {{id: {name}, api_token: {self.account.token}}}\n" for name in accounts)
        api = f"api: {{url: '{self.server.url}', requests_per_second: 10000, burst: 1000000}}\n"
        self.config.write_text(f"{api}accounts:\n{listed}", encoding="utf-8")
        try:
            code: int | str | None = cli.main([f"--config.file={self.config}", *flags])
        except SystemExit as ended:
            code = ended.code
        return Outcome(code, *self._capsys.readouterr())

    def shown(self, policies: object, *flags: str, code: int = 0) -> Any:
        """Return the JSON report of the command."""
        ended = self(policies, "--format=json", *flags)
        assert ended.code == code, ended.err
        return json.loads(ended.out)

    @property
    def posted(self) -> list[Any]:
        """Return the bodies of the requests that started policy tests; no other request could change anything."""
        sent = [arrival for arrival in self.server.arrivals if arrival.method != "GET"]
        assert {(each.method, each.endpoint) for each in sent} <= {("POST", "policy_tests")}
        return [json.loads(each.body) for each in sent]


def people(shown: Any, column: str = "id") -> list[str]:
    """Return the listed users in their order."""
    return [str(person[column]).removeprefix("id-") for person in shown["people"]]


def only(endpoint: str, happen: Happen, times: int = 1_000_000) -> Callable[[Request], Happen | None]:
    """Return a fault that occurs for this number of requests to one endpoint."""
    left = [times]

    def fault(request: Request) -> Happen | None:
        if request.endpoint != endpoint or not left[0]:
            return None
        left[0] -= 1
        return happen

    return fault


def life(check: Check, *statuses: str | None, **end: Any) -> None:
    """Let every policy test end in the same way, with these results."""
    rows = [PolicyTestUser(f"id-{number}", status=status) for number, status in enumerate(statuses)]
    check.account.any_life = lambda _: Life(rows, **end)


def changed_result(**fields: object) -> Happen:
    """Return a fault that changes fields in the API's description of a policy test."""

    def happen(handler: Handler) -> None:
        response = handler.response()
        body = json.loads(response.body)
        body["result"] |= fields
        handler.send(replace(response, body=json.dumps(body).encode()))

    return happen
