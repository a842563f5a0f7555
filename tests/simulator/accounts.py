"""Simulated accounts, their URLs, and helpers that read responses."""

from typing import Any

import requests

from access_exporter.simulator import Account, PolicyTest, PolicyTestUser, User
from access_exporter.simulator.account import TOKEN

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
OTHER_ACCOUNT = "5" * 32
TEST = "f1a8" * 16
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEY = {"X-Auth-Email": "admin@example.com", "X-Auth-Key": "0123abcd"}
USERS = "/accounts/" + ACCOUNT + "/access/users"
POLICY_TEST = "/accounts/" + ACCOUNT + "/access/policy-tests/" + TEST


def account(users: int = 0, **options: Any) -> Account:
    """Return the account with this number of users, numbered from 0."""
    return Account(ACCOUNT, [User(str(number)) for number in range(users)], **options)


def policy_test(users: int, **options: Any) -> PolicyTest:
    """Return the policy test of this number of users, numbered from 0, all approved."""
    return PolicyTest(TEST, results=[PolicyTestUser(str(number)) for number in range(users)], **options)


def ids(answer: requests.Response) -> list[str]:
    """Return the ids of the rows of a successful response."""
    return [row["id"] for row in answer.json()["result"]]


def code(answer: requests.Response) -> int:
    """Check the envelope of an error response and return the error code."""
    body = answer.json()
    assert (body["success"], body["messages"], body["result"]) == (False, [], None)
    number: int = body["errors"][0]["code"]
    return number
