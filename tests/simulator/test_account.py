"""Simulated accounts, as a client sees them."""

import pytest
import requests

from access_exporter.simulator import Account, PolicyTest, PolicyTestUser, Simulator, User
from access_exporter.simulator.account import Life
from tests.simulator.accounts import ACCOUNT, POLICY_TEST, TEST, USERS, account, ids, policy_test


class TestUsers:
    def test_unusual_rows(self, http: requests.Session) -> None:
        """A field that is None is left out, and a mapping is sent unchanged."""
        unusual = {"id": "", "access_seat": None, "active_device_count": 1.5, "created_at": "soon"}
        with Simulator([Account(ACCOUNT, [User("1", access_seat=None), unusual])]) as simulator:
            rows = http.get(simulator.url + USERS).json()["result"]
        assert rows == [{"id": "1", "gateway_seat": False, "active_device_count": 0}, unusual]

    def test_replaced_users(self, http: requests.Session) -> None:
        """If a test replaces the users while the simulator runs, the next request shows the new users."""
        with Simulator([account(1)]) as simulator:
            assert ids(http.get(simulator.url + USERS)) == ["0"]
            simulator.accounts[ACCOUNT].users = [User("new")]
            assert ids(http.get(simulator.url + USERS)) == ["new"]


class TestPolicyTests:
    def test_summary(self, http: requests.Session) -> None:
        """The summary of a policy test counts the processed users and shows whole percents of them."""
        statuses = ["approved", "blocked", "error", "approved", "approved", "blocked", "approved"]
        rows = [PolicyTestUser(str(number), status=status) for number, status in enumerate(statuses)]
        test = PolicyTest(TEST, "processing", rows, processed=3)
        with Simulator([account(policy_tests=[test])]) as simulator:
            answer = http.get(simulator.url + POLICY_TEST)
        assert answer.json() == {
            "success": True,
            "errors": [],
            "messages": [],
            "result": {
                "id": TEST,
                "status": "processing",
                "total_users": 7,
                "percent_users_processed": 42,
                "users_approved": 1,
                "users_blocked": 1,
                "users_errored": 1,
                "percent_approved": 33,
                "percent_blocked": 33,
                "percent_errored": 33,
            },
        }

    @pytest.mark.parametrize("users", [0, 5])
    def test_summary_without_processed_users(self, http: requests.Session, users: int) -> None:
        """A policy test that has processed no user shows zero percent everywhere."""
        with Simulator([account(policy_tests=[policy_test(users, processed=0)])]) as simulator:
            result = http.get(simulator.url + POLICY_TEST).json()["result"]
        assert result["total_users"] == users
        assert [value for name, value in result.items() if name.startswith("percent")] == [0, 0, 0, 0]

    def test_users_of_a_running_test(self, http: requests.Session) -> None:
        """Only processed users are listed, and the next request shows the progress."""
        with Simulator([account(policy_tests=[policy_test(5, processed=1)])]) as simulator:
            assert ids(http.get(simulator.url + POLICY_TEST + "/users")) == ["0"]
            simulator.accounts[ACCOUNT].policy_tests[TEST] = policy_test(5, processed=2)
            assert ids(http.get(simulator.url + POLICY_TEST + "/users")) == ["0", "1"]

    def test_start(self, http: requests.Session) -> None:
        """A policy test that a client starts takes the given time and ends with the given results."""
        now = 1000.0
        known = account()
        known.lives["one", "two"] = lambda: Life(policy_test(4).results, seconds=60)
        with Simulator([known], clock=lambda: now) as simulator:
            tests = f"{simulator.url}/accounts/{ACCOUNT}/access/policy-tests"
            started = [http.post(tests, json={"policies": ["one", "two"]}).json()["result"] for _ in range(2)]
            assert [test["status"] for test in started] == ["success", "success"]
            assert started[0]["id"] != started[1]["id"]
            seen = []
            for now in (1000.0, 1030.0, 1060.0, 2000.0):  # noqa: B007 – the simulator reads it
                test = http.get(f"{tests}/{started[0]['id']}").json()["result"]
                rows = http.get(f"{tests}/{started[0]['id']}/users").json()["result"]
                seen.append((test["status"], test["percent_users_processed"], len(rows)))
        assert seen == [("processing", 0, 0), ("processing", 50, 2), ("complete", 100, 4), ("complete", 100, 4)]


class TestOrganization:
    @pytest.mark.parametrize("expiration", [None, "730h"])
    def test_settings(self, http: requests.Session, expiration: str | None) -> None:
        """The organization shows its seat expiration if it has one, and only GET with a credential is allowed."""
        with Simulator([account(seat_expiration=expiration)]) as simulator:
            url = f"{simulator.url}/accounts/{ACCOUNT}/access/organizations"
            settings = http.get(url).json()["result"]
            assert http.put(url).status_code == 405
            assert requests.get(url, timeout=10).status_code == 401
        assert settings["auth_domain"] == "simulated.cloudflareaccess.com"
        assert settings.get("user_seat_expiration_inactive_time") == expiration
        assert {arrival.endpoint for arrival in simulator.arrivals} == {"organization"}
