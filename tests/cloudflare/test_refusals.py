"""The error reason and the message for each HTTP refusal by Cloudflare."""

from typing import Any

import pytest
import responses

from access_exporter.cloudflare.endpoints import Endpoint
from tests.api_client import (
    HEADERS,
    HTML,
    LOOK,
    POLICY_TEST,
    POLICY_TEST_USERS,
    READ_TESTS,
    READ_USERS,
    USERS,
    VALUE,
    Bench,
    Script,
    refusal,
)

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestRefusals:
    @pytest.mark.parametrize(
        ("endpoint", "response", "reason", "words"),
        [
            (USERS, refusal(400, 6003), "auth", [VALUE, "400", "6003"]),
            (USERS, refusal(400, 6111), "auth", [VALUE, "400", "6111"]),
            (USERS, refusal(400, 6003, 6111), "auth", [VALUE, "(code 6003, 6111)"]),
            (USERS, refusal(401), "auth", [VALUE, "401"]),
            (USERS, refusal(401, 10000), "auth", [VALUE, READ_USERS, "10000"]),
            (POLICY_TEST, refusal(401, 10000), "auth", [VALUE, READ_TESTS]),
            (USERS, (401, HEADERS, HTML), "auth", [VALUE]),
            (USERS, refusal(403, 10000), "permission", [READ_USERS, "403", "10000", "on this account"]),
            (USERS, refusal(403, 9109), "permission", [READ_USERS, "9109", VALUE]),
            (USERS, refusal(403), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, HTML), "invalid_response", ["a firewall or proxy refused the request"]),
            (USERS, (403, HEADERS, "Forbidden"), "invalid_response", ["a firewall or proxy"]),
            (USERS, (403, HEADERS, ""), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, b"\xef\xbb\xbf{}"), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, "[]"), "invalid_response", ["a firewall or proxy"]),
            (USERS, refusal(400, 10000), "permission", [READ_USERS]),
            (POLICY_TEST, refusal(403, 10000), "permission", [READ_TESTS]),
            (POLICY_TEST_USERS, refusal(403, 10000), "permission", [READ_TESTS]),
            (USERS, refusal(403, 9999), "not_found", ["Zero Trust is not set up on this account"]),
            (USERS, refusal(404, 9999), "not_found", ["Zero Trust is not set up on this account"]),
            (USERS, refusal(404, 7003), "not_found", ["check the account id", "404", "7003"]),
            (USERS, refusal(400, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(400, 7000), "not_found", ["check the account id"]),
            (USERS, refusal(404, 7000, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(403, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(400, 9103), "auth", [VALUE, "9103"]),
            (USERS, refusal(403, 9103), "auth", [VALUE]),
            (USERS, refusal(400, 9106), "auth", [VALUE, "9106"]),
            (POLICY_TEST, refusal(400, 6003), "auth", [VALUE]),
            (POLICY_TEST, refusal(400, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(401, 9109), "auth", [VALUE]),
            (POLICY_TEST, refusal(404), "not_found", [LOOK, "404"]),
            (POLICY_TEST, refusal(404, 12130), "not_found", [LOOK, "12130"]),
            (POLICY_TEST, refusal(400, 12130), "not_found", [LOOK, "400"]),
            (POLICY_TEST, refusal(400), "not_found", [LOOK]),
            (POLICY_TEST_USERS, refusal(400, 1), "not_found", [LOOK]),
            (USERS, refusal(400, 12130), "not_found", [LOOK]),
            (USERS, refusal(400, 1234), "invalid_response", ["400", "1234"]),
            (USERS, refusal(405), "invalid_response", ["405"]),
            (USERS, refusal(410), "invalid_response", ["410"]),
            (USERS, (204, HEADERS, ""), "invalid_response", ["204"]),
            (USERS, (304, HEADERS, ""), "invalid_response", ["304", "does not follow redirects", "check api.url"]),
            (USERS, refusal(429, 971), "rate_limited", ["429", "971", "too many requests"]),
            (USERS, (429, HEADERS, HTML), "rate_limited", ["429"]),
            (USERS, refusal(429, 10000), "rate_limited", ["429"]),
            (USERS, refusal(500, 1), "server", ["500", "temporary fault at Cloudflare"]),
            (USERS, refusal(503, 10000), "server", ["503"]),
            (USERS, (502, HEADERS, HTML), "server", ["502"]),
            (USERS, (520, HEADERS, HTML), "server", ["520"]),
            (USERS, (524, HEADERS, b"\xff\x00"), "server", ["524"]),
            (USERS, refusal(200, 10000), "permission", [READ_USERS, "200"]),
            (USERS, refusal(200, 6003), "auth", [VALUE]),
            (USERS, refusal(200, 9999), "not_found", ["Zero Trust"]),
            (USERS, refusal(200, 1234), "invalid_response", ["200", "1234"]),
            (USERS, refusal(200), "invalid_response", ["200"]),
        ],
    )
    def test_reason_and_message(
        self, mock: responses.RequestsMock, endpoint: Endpoint, response: Any, reason: str, words: list[str]
    ) -> None:
        """The error has the right reason and names endpoint, missing permission and next step, but no secret."""
        bench = Bench()
        Script(mock, response, endpoint=endpoint)
        message = bench.failure(lambda: bench.get(endpoint), reason)
        assert endpoint.place in message
        assert [word for word in words if word not in message] == []

    @pytest.mark.parametrize(
        "errors",
        [
            "null",
            "{}",
            "[]",
            "[null]",
            "[[10000]]",
            '[{"code": null}]',
            '[{"code": "10000"}]',
            '[{"code": true}]',
            '[{"code": -1}]',
            '[{"code": 1000000000000}]',
            '[{"code": 1.5}]',
            '"planted"',
        ],
    )
    def test_invalid_error_codes(self, mock: responses.RequestsMock, errors: str) -> None:
        """The error message leaves out an error code that is not a valid number."""
        bench = Bench()
        Script(mock, (418, HEADERS, f'{{"success": false, "errors": {errors}}}'))
        assert bench.failure() == f"418 from {POLICY_TEST.place}: unexpected response"

    def test_names_of_endpoints(self) -> None:
        """Error messages name an endpoint by its path in the API."""
        places = [endpoint.place for endpoint in (USERS, POLICY_TEST, POLICY_TEST_USERS)]
        assert places == ["/access/users", "/access/policy-tests/ID", "/access/policy-tests/ID/users"]
