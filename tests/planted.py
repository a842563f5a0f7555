"""Secrets and personal data for tests that check that the exporter never shows them."""

from access_exporter.simulator import User
from access_exporter.simulator.account import Registration

PLANTED = "qzx7"  # part of every secret and name below
TOKEN = f"{PLANTED}TkV9vW2mP4xR8sLbNcY5dFgHjQ1wZ3eUaXo6"  # as long as a real token
KEY = f"{PLANTED}4079dac9320b638f5e225cf483cc5cfdda"
EMAIL = f"admin@{PLANTED}.example"
SCRAPER = f"jane-{PLANTED}"
PASSWORD = f"{PLANTED} horse"

# Configurations that a reload refuses: an invalid secret, and secrets in values that are shown.
MISPLACED = [
    f"accounts: [{{id: x, api_token: '{TOKEN} {TOKEN}'}}]",
    f"accounts: [{{id: x, name: 'of {TOKEN}', api_token: {TOKEN}}}]",
    f"accounts: [{{id: x, name: {TOKEN}, api_token: y}}]",
    f"accounts: [{{id: x, policy_tests: [{{id: {KEY}}}], api_token: y}}]",
    f"accounts: [{{id: x, name: {EMAIL}, api_token: y}}, {{id: z, api_email: {EMAIL}, api_key: {KEY}}}]",
]

HOLDER = {"id": f"{PLANTED}-1", "email": f"JANE@{PLANTED}.example", "name": f"Jane {PLANTED}"}
DEVICE = Registration(PLANTED, HOLDER, {"name": PLANTED, "client_version": PLANTED}, registration_type=PLANTED)
PEOPLE = [
    User(
        id=f"{PLANTED}-{number}",
        uid=f"{PLANTED}-uid",
        seat_uid=f"{PLANTED}-seat",
        email=f"jane@{PLANTED}.example",
        name=f"Jane {PLANTED}",
        access_seat=True,
    )
    for number in range(3)
]
RULES = {"include": [{"email": {"email": EMAIL}}], "exclude": [{"github": {"name": PLANTED}}], "require": []}
POLICY = RULES | {
    "id": f"{PLANTED}-policy",
    "name": PLANTED,
    "decision": "allow",
    "purpose_justification_prompt": PLANTED,
    "updated_at": PLANTED,
}
APPLICATIONS = (
    {"id": "app-1", "name": "discovered", "type": PLANTED, "domain": PLANTED, "policies": [POLICY, "policy"]},
    {"id": "app-2", "name": "public", "policies": [POLICY | {"decision": "bypass"}]},
)
